import BitCore

/// Latent weights that b1.58's quantizer makes into `values`, which are ternary codes times one scale.
///
/// The quantizer's scale is the mean of magnitudes, which is the scale of the codes times the share
/// of those that are not 0. So values are divided by that share; and because a float holds the
/// quotient only nearly, as many of them are raised to the next float as it takes for the mean to be
/// exactly the scale. Values of several scales, which have no such weights, are divided alone.
///
/// - Parameters:
///   - values: the weights of a projection.
///   - source: what an error is about.
/// - Throws: `InputError` of kind `.unsupported` for a scale below the least of the quantizer.
func latentWeights(quantizedTo values: Tensor, _ source: String) throws(InputError) -> Tensor {
  var (used, scale, hasOneScale) = (0, Float(0), true)
  values.withUnsafePointer { pointer in
    for i in 0..<values.count where pointer[i] != 0 {
      let magnitude = abs(pointer[i])
      if used > 0, magnitude != scale { hasOneScale = false }
      scale = max(scale, magnitude)
      used += 1
    }
  }
  guard used > 0 else { return values }
  guard scale >= 1e-5 else {
    throw InputError(
      .unsupported, source: source, found: "the scale \(scale)",
      expected: "at least 1e-5, the least of b1.58's quantizer")
  }
  guard hasOneScale else { return values * (Float(values.count) / Float(used)) }
  let sum = Double(scale) * Double(values.count)
  var magnitude = Float(sum / Double(used))
  if Double(magnitude) * Double(used) > sum { magnitude = magnitude.nextDown }
  let missing = sum - Double(magnitude) * Double(used)
  var raised = Int((missing / Double(magnitude.ulp)).rounded())
  return Tensor.build(values.shape) { out in
    values.withUnsafePointer { pointer in
      for i in 0..<values.count {
        guard pointer[i] != 0 else {
          out[i] = 0
          continue
        }
        let own = raised > 0 ? magnitude.nextUp : magnitude
        raised -= 1
        out[i] = pointer[i] < 0 ? -own : own
      }
    }
  }
}
