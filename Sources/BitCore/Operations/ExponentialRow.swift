import CBitKernels

/// Maximum, exponentials and their sum for a row of values, by the vector kernels of
/// `bitdecoder.h`, with the same bits on every CPU.
struct ExponentialRow: Sendable {
  private let maximum: @convention(c) (UnsafePointer<Float>?, Int) -> Float
  private let exponentials:
    @convention(c) (UnsafePointer<Float>?, Int, Float, UnsafeMutablePointer<Float>?) -> Float

  init(kernels: KernelSet = .active) {
    let table = kernels.table.pointee.decoder.pointee
    (maximum, exponentials) = (table.maximum, table.exponentials)
  }

  /// The largest value; -infinity without values, NaN if any of them is.
  func largest(_ x: UnsafePointer<Float>, _ count: Int) -> Float { maximum(x, count) }

  /// Writes `exp(x - shift)` unless `out` is nil; `out` may be `x`.
  ///
  /// - Returns: their sum, in Double but for pieces of some thousand values.
  @discardableResult
  func exponentials(
    _ x: UnsafePointer<Float>, _ count: Int, shift: Float, _ out: UnsafeMutablePointer<Float>?
  ) -> Double {
    var sum = 0.0
    for start in stride(from: 0, to: count, by: RowSum.pieceLength) {
      let length = min(RowSum.pieceLength, count - start)
      sum += Double(exponentials(x + start, length, shift, out.map { $0 + start }))
    }
    return sum
  }

  /// Writes `exp(x_i) / sum_j exp(x_j)`, or zeros if all values are -infinity; `out` may be `x`.
  func softmax(_ x: UnsafePointer<Float>, _ count: Int, _ out: UnsafeMutablePointer<Float>) {
    let largest = largest(x, count)
    if largest == -.infinity { return out.update(repeating: 0, count: count) }
    let factor = Float(1 / exponentials(x, count, shift: largest, out))
    Tensor.map(out, count, out) { $0 * factor }
  }
}
