import CBitKernels

/// The rows of a tensor on their way from floats to codes; see ``ActivationQuantizer``.
///
/// Each row goes through ``findMaxima(_:)``, ``setScales(_:_:)`` and `writeCodes`, in this order;
/// different rows may do so in parallel.
struct RowQuantizer {
  let quantizer: ActivationQuantizer
  let kernels: UnsafePointer<bk_kernels>
  /// The floats, `[rows, columns]`.
  let x: UnsafePointer<Float>
  /// Where the scales are.
  let layout: ScaleLayout
  /// The distance between two rows of codes.
  let stride: Int
  /// The scales, in the order of `layout`; before that, the largest magnitudes.
  let scales: UnsafeMutablePointer<Float>
  /// 1 / scale
  let inverseScales: UnsafeMutablePointer<Float>

  init(
    quantizer: ActivationQuantizer, kernels: UnsafePointer<bk_kernels>, x: UnsafePointer<Float>,
    result: QuantizedTensor
  ) {
    (self.quantizer, self.kernels, self.x) = (quantizer, kernels, x)
    (layout, stride) = (result.layout, result.stride)
    (scales, inverseScales) = (result.scalePointer, result.inverseScales)
  }

  private func indices(_ row: Int) -> Range<Int> {
    row * layout.scalesPerRow..<(row + 1) * layout.scalesPerRow
  }

  /// Finds the largest magnitude of each run of a row; NaN for a run that is not finite.
  func findMaxima(_ row: Int) {
    let values = x + row * layout.columns
    for (run, index) in indices(row).enumerated() {
      let columns = layout.run(run)
      scales[index] = kernels.pointee.absmax(values + columns.lowerBound, columns.count)
    }
  }

  /// Turns the largest magnitudes of a row into its scales, which all are `shared` if that is given,
  /// and all NaN if one of the values is not finite.
  ///
  /// - Returns: whether all values are finite.
  func setScales(_ row: Int, _ shared: Float?) -> Bool {
    let isFinite = indices(row).allSatisfy { scales[$0].isFinite }
    for index in indices(row) {
      scales[index] = isFinite ? shared ?? quantizer.scale(of: scales[index]) : .nan
      inverseScales[index] = 1 / scales[index]
    }
    return isFinite
  }

  /// Writes the codes of a row of up to 8 bits, and zeros after them; returns their sum.
  func writeCodes(_ row: Int, _ isFinite: Bool, to codes: UnsafeMutablePointer<Int8>) -> Int32 {
    var sum: Int32 = 0
    write(row, isFinite, to: codes) { values, count, scale, limits, codes in
      sum += kernels.pointee.quantize8(values, count, scale, limits.low, limits.high, codes)
    }
    return sum
  }

  /// Writes the codes of a row of more than 8 bits, and zeros after them.
  func writeCodes(_ row: Int, _ isFinite: Bool, to codes: UnsafeMutablePointer<Int16>) {
    write(row, isFinite, to: codes) { values, count, scale, limits, codes in
      bk_quantize16(values, count, scale, limits.low, limits.high, codes)
    }
  }

  /// Calls `quantize` for each run of a row with values, count, scale, limits and target.
  private func write<Code: FixedWidthInteger>(
    _ row: Int, _ isFinite: Bool, to codes: UnsafeMutablePointer<Code>,
    _ quantize: (
      UnsafePointer<Float>, Int, Float, (low: Int32, high: Int32), UnsafeMutablePointer<Code>
    ) -> Void
  ) {
    let (values, codes) = (x + row * layout.columns, codes + row * stride)
    // A row that is not finite has no codes: all of it is padding, which is zeros.
    let count = isFinite ? layout.columns : 0
    (codes + count).initialize(repeating: 0, count: stride - count)
    guard isFinite else { return }
    for (run, index) in indices(row).enumerated() {
      let columns = layout.run(run)
      quantize(
        values + columns.lowerBound, columns.count, scales[index], quantizer.codeLimits,
        codes + columns.lowerBound)
    }
  }
}
