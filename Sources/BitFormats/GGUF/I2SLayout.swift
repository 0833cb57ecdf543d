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
