import CBitKernels

/// How the codes of a ``CodeMatrix`` lie in memory.
///
/// All formats give the same results, bit for bit; they differ in size and speed. Where weights are
/// read from memory, as when a language model generates text, fewer bits are faster.
public enum PackedFormat: String, Sendable, Hashable, CaseIterable {
  /// Ternary codes, four in a byte: 2 bits a weight.
  case ternary2
  /// Ternary codes, five in a byte: 1.6 bits a weight.
  case ternary1_6 = "ternary1.6"
  /// Sign codes, eight in a byte: 1 bit a weight.
  case sign1

  /// The codes that the format holds.
  public var alphabet: WeightAlphabet { self == .sign1 ? .sign : .ternary }

  /// Codes in a byte.
  public var codesPerByte: Int {
    switch self {
    case .ternary2: 4
    case .ternary1_6: 5
    case .sign1: 8
    }
  }

  /// Bits of memory per weight, without the scales. With a scale for each block of weights
  /// ``ternary1_6`` takes more, because a block does not share what its last codes leave unused: for
  /// blocks of 256, 128 and 64 weights 1.625, 1.75 and 2 bits with the kernels of CPUs that have
  /// AVX-512 VBMI, and 1.625 with all others.
  public var bitsPerWeight: Double { 8 / Double(codesPerByte) }

  /// The kernels' name for it.
  var kernelFormat: bk_format {
    switch self {
    case .ternary2: BK_TERNARY2
    case .ternary1_6: BK_TERNARY1_6
    case .sign1: BK_SIGN1
    }
  }
}

extension PackedFormat? {
  /// The kernels' name for it; nil means codes that are not packed.
  var kernelFormat: bk_format { self?.kernelFormat ?? BK_PANELS }
}

extension WeightAlphabet {
  /// The format that its codes are packed to unless another one is given.
  public var defaultFormat: PackedFormat { self == .sign ? .sign1 : .ternary2 }

  /// The format, or the default one for nil.
  ///
  /// - Throws: ``InputError`` if the format does not hold these codes.
  func checkedFormat(_ format: PackedFormat?) throws(InputError) -> PackedFormat {
    guard let format else { return defaultFormat }
    guard format.alphabet == self else {
      throw InputError(
        .mismatch, source: "format", found: format.rawValue,
        expected: "one for \(rawValue) codes")
    }
    return format
  }
}
