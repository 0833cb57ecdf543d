import CBitKernels

/// How the numbers of a ``WeightMatrix`` are stored: plain floats, or blocks along the rows as GGUF
/// has them, a scale for each.
package enum WeightType: Sendable, CaseIterable {
  case float32, float16, bfloat16
  /// 32 signed bytes and a half precision scale.
  case q8_0
  /// 32 codes of four bits and a half precision scale.
  case q4_0
  /// As ``q4_0``, with a half precision number that is added.
  case q4_1
  /// 256 codes of six bits, 16 signed bytes as scales, and their half precision scale.
  case q6_k

  /// The numbers of a block; 1 for floats.
  package var blockLength: Int { bk_weight_block(kernelType) }

  /// The bytes of a block.
  package var blockBytes: Int { bk_weight_row_bytes(kernelType, blockLength) }

  /// Writes `count` numbers, whole blocks, as floats. The bytes need no alignment.
  package func decode(
    _ bytes: UnsafeRawPointer, count: Int, to values: UnsafeMutablePointer<Float>,
    kernels: KernelSet = .active
  ) {
    precondition(count.isMultiple(of: blockLength), "\(count) numbers are no whole blocks")
    guard count > 0 else { return }
    var weights = bk_weights(
      type: kernelType, rows: 1, columns: count,
      bytes: bytes.assumingMemoryBound(to: UInt8.self))
    bk_weight_values(kernels.table, &weights, bk_range(first: 0, end: 1), values)
  }

  var kernelType: bk_weight_type {
    switch self {
    case .float32: BK_F32
    case .float16: BK_F16
    case .bfloat16: BK_BF16
    case .q8_0: BK_Q8_0
    case .q4_0: BK_Q4_0
    case .q4_1: BK_Q4_1
    case .q6_k: BK_Q6_K
    }
  }
}
