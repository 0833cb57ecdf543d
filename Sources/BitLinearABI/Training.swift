import BitCore
import BitFormats
import CBitLinear

/// A caller's layer with latent weights, checked, and its recipe.
struct LatentLayer {
  let recipe: QuantizationRecipe
  let inFeatures: Int
  let outFeatures: Int
  let groups: Int
  let weight: Tensor
  let bias: Tensor?
  let normWeight: Tensor?
  let normBias: Tensor?

  init(
    _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?
  ) throws(Failure) {
    self.recipe = try QuantizationRecipe(recipe)
    let layer = try required(layer, "layer").pointee
    let (inputs, outputs) = try features(layer.in_features, layer.out_features)
    guard layer.groups >= 1, let groups = Int(exactly: layer.groups) else {
      throw .argument("groups", layer.groups, "1 or more")
    }
    guard outputs.isMultiple(of: groups) else {
      throw .mismatch("groups", "\(groups)", "a number that divides \(outputs) output features")
    }
    let normGroups = self.recipe.normalization?.groups ?? 1
    guard inputs.isMultiple(of: normGroups) else {
      throw .mismatch(
        "norm groups", "\(normGroups)", "a number that divides \(inputs) input features")
    }
    (inFeatures, outFeatures, self.groups) = (inputs, outputs, groups)
    weight = try Matrix(
      "weight", layer.weight, rows: layer.out_features, columns: inputs,
      stride: layer.weight_stride
    ).tensor
    bias = vector(layer.bias, outputs)
    normWeight = vector(layer.norm_weight, inputs)
    normBias = vector(layer.norm_bias, inputs)
  }

  /// The input as the product gets it.
  func normalized(_ x: Tensor) -> Tensor {
    recipe.normalization?(x, weight: normWeight, bias: normBias) ?? x
  }
}

/// Checked extents of a layer.
func features(_ inputs: Int64, _ outputs: Int64) throws(Failure) -> (Int, Int) {
  guard inputs >= 1, inputs <= CodeMatrix.maximumColumns else {
    throw .argument("in_features", inputs, "1 to \(CodeMatrix.maximumColumns)")
  }
  guard outputs >= 1, outputs <= Int.max / 8 / Int(inputs) else {
    throw .argument("out_features", outputs, "1 or more, a matrix that fits into memory")
  }
  return (Int(inputs), Int(outputs))
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_forward(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
  _ x: UnsafePointer<Float>?, _ tokens: Int64, _ x_stride: Int64,
  _ y: UnsafeMutablePointer<Float>?, _ y_stride: Int64
) -> Int32 {
  status { () throws(Failure) in
    let layer = try LatentLayer(recipe, layer)
    let input = try Matrix("x", x, rows: tokens, columns: layer.inFeatures, stride: x_stride)
    let output = try MutableMatrix(
      "y", y, rows: tokens, columns: layer.outFeatures, stride: y_stride)
    guard input.rows > 0 else { return }
    let quantized = layer.recipe.activations.quantize(layer.normalized(input.tensor))
    let matrix = layer.recipe.weightQuantizer.quantize(layer.weight, groups: layer.groups)
    output.fill { matrix.matmul(quantized, bias: layer.bias, into: $0) }
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_backward(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
  _ x: UnsafePointer<Float>?, _ tokens: Int64, _ x_stride: Int64,
  _ grad_y: UnsafePointer<Float>?, _ grad_y_stride: Int64,
  _ gradients: UnsafePointer<bitlinear_gradients>?, _ matmul: bitlinear_matmul?,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  status { () throws(Failure) in
    let layer = try LatentLayer(recipe, layer)
    let input = try Matrix("x", x, rows: tokens, columns: layer.inFeatures, stride: x_stride)
    let upstream = try Matrix(
      "grad_y", grad_y, rows: tokens, columns: layer.outFeatures, stride: grad_y_stride
    ).tensor
    let wanted = try required(gradients, "gradients").pointee
    let hasNorm = layer.recipe.normalization != nil
    for (name, gradient, parameter) in [
      ("norm_weight", wanted.norm_weight, layer.normWeight),
      ("norm_bias", wanted.norm_bias, layer.normBias),
    ] where gradient != nil && (parameter == nil || !hasNorm) {
      throw .argument("gradients.\(name)", "memory", "null for a layer without \(name)")
    }
    adviseLarge(wanted.x, input.rows * layer.inFeatures)
    adviseLarge(wanted.weight, layer.outFeatures * layer.inFeatures)
    let x = input.tensor
    let wantsNorm = wanted.norm_weight != nil || wanted.norm_bias != nil
    let reverse = { (input: UnsafeMutablePointer<Float>?) in
      BitLinearOperation.reverse(
        layer.normalized(x), weight: layer.weight, recipe: layer.recipe, groups: layer.groups,
        upstream: upstream, matmul: matmul.map { FloatMatmul($0, context) } ?? .portable,
        input: input, weightGradient: wanted.weight)
    }
    if let bias = wanted.bias { upstream.sumOfRows().copy(to: bias) }
    // Without a norm the gradient of the product's input is the layer's.
    guard let normalization = layer.recipe.normalization, wanted.x != nil || wantsNorm else {
      return reverse(wanted.x)
    }
    let gradient = Tensor.build(x.shape) { reverse($0) }
    let norm = normalization.reverse(
      x, weight: layer.normWeight, bias: layer.normBias, upstream: gradient,
      wantsInput: wanted.x != nil)
    if let target = wanted.x { norm.input.copy(to: target) }
    if let target = wanted.norm_weight { norm.weight?.copy(to: target) }
    if let target = wanted.norm_bias { norm.bias?.copy(to: target) }
  }
}

/// Asks for large pages where a caller's memory for results is large: it is new as a rule.
private func adviseLarge(_ values: UnsafeMutablePointer<Float>?, _ count: Int) {
  let bytes = 4 * count
  guard let values, bytes >= SystemMemory.largeBytes else { return }
  SystemMemory.adviseLarge(UnsafeMutableRawPointer(values), bytes)
}

extension Tensor {
  /// Copies all values.
  fileprivate func copy(to target: UnsafeMutablePointer<Float>) {
    withUnsafePointer { target.update(from: $0, count: count) }
  }
}

extension FloatMatmul {
  /// A caller's function, which is called on the thread of the call.
  fileprivate init(_ matmul: bitlinear_matmul, _ context: UnsafeMutableRawPointer?) {
    nonisolated(unsafe) let context = context
    self.init { m, n, k, a, b, c in
      matmul(
        context, Int64(m), Int64(n), Int64(k), a.values, Int64(a.stride), a.isTransposed ? 1 : 0,
        b.values, Int64(b.stride), b.isTransposed ? 1 : 0, c)
    }
  }
}
