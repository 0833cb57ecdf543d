import CBitKernels

/// A caller's memory for dequantized values, row-major and contiguous, of one of two types.
package enum ValueMemory {
  case float32(UnsafeMutablePointer<Float>)
  /// The bits of bfloat16, each the nearest one to the float32 value, half to even.
  case bfloat16(UnsafeMutablePointer<UInt16>)

  /// Writes `count` values, the first of which has the index `first`, that `body` gives as floats.
  func write(_ first: Int, _ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    switch self {
    case .float32(let values): body(values + first)
    case .bfloat16(let values):
      withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { floats in
        guard let floats = floats.baseAddress else { return }
        body(floats)
        bk_bf16_values(floats, count, values + first)
      }
    }
  }
}
