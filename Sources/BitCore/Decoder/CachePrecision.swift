import CBitKernels

/// How the keys and values of attention are stored.
public enum CachePrecision: String, Sendable, Hashable, CaseIterable {
  /// Half precision floats, two bytes a number.
  case float16 = "f16"
  /// Floats, four bytes a number.
  case float32 = "f32"
  /// Signed bytes with a float scale for each position and head, a good byte a number.
  case int8 = "q8"

  var kernelType: bk_cache_type {
    switch self {
    case .float16: BK_CACHE_F16
    case .float32: BK_CACHE_F32
    case .int8: BK_CACHE_Q8
    }
  }

  /// Bytes of a number, without scales.
  var width: Int {
    switch self {
    case .float16: 2
    case .float32: 4
    case .int8: 1
    }
  }
}
