/// The two ways in which bitnet.cpp lays out I2_S.
///
/// A build for x86 and the Python converter spread 128 elements over 32 bytes; a build for ARM
/// spreads 64 over 16. The difference is a permutation within each 128 elements: the codes, how
/// many zeros there are, whether a code 3 occurs, and the size are the same either way, so the data
/// tell only one thing: a number of elements that is no multiple of 128 must be the ARM layout.
public enum I2SLayout: String, Sendable, CaseIterable {
  /// 128 elements in 32 bytes: x86, the converter, ik_llama.cpp.
  case x86 = "x86-128"
  /// 64 elements in 16 bytes: ARM NEON.
  case arm = "arm-64"

  /// A metadata key for the raw value, of this library; other programs do not know it.
  package static let metadataKey = "bitlinear.i2_s_layout"

  /// Elements in a block.
  package var blockLength: Int { self == .x86 ? 128 : 64 }
}

/// What a GGUF file does not tell by itself.
public struct GGUFOptions: Sendable, Hashable {
  /// The layout of I2_S tensors; nil to go by the metadata `bitlinear.i2_s_layout`, then by the
  /// data (see ``I2SLayout``), and to take x86 where neither says otherwise.
  public var i2sLayout: I2SLayout?
  /// The elements in a block of type 42 (Q2_0), 64 or 128; nil to go by the offsets, which is an
  /// error where both fit.
  public var q2BlockLength: Int?

  /// Options for reading; see the properties.
  public init(i2sLayout: I2SLayout? = nil, q2BlockLength: Int? = nil) {
    precondition(
      q2BlockLength == nil || q2BlockLength == 64 || q2BlockLength == 128,
      "blocks of Q2_0 have 64 or 128 elements, not \(q2BlockLength ?? 0)")
    self.i2sLayout = i2sLayout
    self.q2BlockLength = q2BlockLength
  }
}
