import CBitKernels

/// The values that the codes of a weight matrix can take.
public enum WeightAlphabet: String, Sendable, Hashable, CaseIterable {
  /// 1 bit: -1 or +1.
  case sign
  /// 1.58 bits: -1, 0 or +1.
  case ternary

  /// The kernels' name for it.
  var kernelAlphabet: bk_alphabet { self == .sign ? BK_SIGN : BK_TERNARY }
}
