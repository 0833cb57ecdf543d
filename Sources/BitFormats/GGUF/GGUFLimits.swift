/// What a GGUF file may have at most. Real files stay far below; a hostile one cannot ask for more
/// memory or time than these allow.
package enum GGUFLimits {
  /// Key-value pairs.
  package static let metadataCount = 65_536
  /// Tensors.
  package static let tensorCount = 65_536
  /// Bytes of a key or of a tensor's name.
  package static let keyBytes = 65_536
  /// Bytes of a string.
  package static let stringBytes = 16 << 20
  /// Strings in all arrays together.
  package static let arrayStrings = 1 << 22
  /// Bytes of everything before the data.
  package static let headerBytes = 256 << 20
  /// Axes of a tensor.
  package static let dimensions = 1...4
  /// Values of `general.alignment`, which are also powers of two.
  package static let alignment = 8...(1 << 20)
  /// The alignment of a file that names none.
  package static let defaultAlignment = 32
  /// Bytes of a tensor's name that ggml reads; ``GGUFWriter`` keeps to it.
  package static let writtenNameBytes = 63
}
