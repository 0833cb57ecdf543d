import BitCore

extension CodedTensor {
  /// The tensor with the scale that all its codes share.
  ///
  /// - Parameter expected: what to say of scales that differ.
  /// - Throws: ``InputError`` of kind `.mismatch` that names the tensor if scales differ.
  package func withOneScale(
    expected: String = "one scale for the tensor"
  ) throws(InputError) -> (scale: Float, tensor: CodedTensor) {
    let summary = try ScaleSummary(self)
    if let difference = summary.difference {
      throw InputError(
        .mismatch, source: source, found: difference.description, expected: expected)
    }
    let scale = summary.common ?? 1
    return (scale, withScale(scale))
  }

  /// The tensor with one scale, whatever its own are.
  package func withScale(_ scale: Float) -> CodedTensor {
    withScales(
      ScaleLayout(.tensor, rows: rows, columns: columns), alone: { _ in [scale] },
      { _ in [scale] })
  }

  /// The one scale that is nearest to all by least squares: their mean by codes that are not 0.
  package func meanScale() throws(InputError) -> Float {
    if scaleKind == .tensor, rows > 0, let scale = try scales(0..<1).first, scale > 0 {
      return scale
    }
    var (sum, count) = (0.0, 0)
    try forEachPiece { rows in
      rows.forEachRun { run in
        let used = rows.nonzeroCount(run.codes)
        sum += Double(run.scale) * Double(used)
        count += used
      }
    }
    return count > 0 ? Float(sum / Double(count)) : 1
  }

  /// The tensor with scales as a type of GGUF has them: merged by least squares within its blocks
  /// and rounded to half precision.
  package func withScales(of type: GGUFTensorType) throws(InputError) -> CodedTensor {
    if type == .i2_s { return withScale(try meanScale()) }
    guard let block = type.blockLength, columns.isMultiple(of: block) else { return self }
    let layout = ScaleLayout(.block(columns: block), rows: rows, columns: columns)
    return withScales(layout) { rows in
      let first = layout.indices(rows: rows.rows).lowerBound
      var scales = [Float](repeating: 0, count: layout.indices(rows: rows.rows).count)
      var sums = [SIMD2<Double>](repeating: .zero, count: scales.count)
      rows.forEachRun(endingAt: block) { run in
        let index = layout.index(row: run.row, column: run.columns.lowerBound) - first
        let used = Double(rows.nonzeroCount(run.codes))
        sums[index] += [Double(run.scale) * used, used]
        // Any scale will do for a block of zeros.
        scales[index] = run.scale
      }
      for index in scales.indices {
        if sums[index][1] > 0 { scales[index] = Float(sums[index][0] / sums[index][1]) }
        scales[index] = HalfPrecision.float(f16: HalfPrecision.f16(scales[index]))
      }
      return scales
    }
  }
}
