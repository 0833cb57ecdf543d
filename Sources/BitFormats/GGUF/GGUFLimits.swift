/// What a GGUF file may have at most. Real files stay far below; a hostile one cannot ask for more
/// memory or time than these allow.
public enum GGUFLimits {
  /// Key-value pairs.
  public static let metadataCount = 65_536
  /// Tensors.
  public static let tensorCount = 65_536
  /// Bytes of a key or of a tensor's name.
  public static let keyBytes = 65_536
  /// Bytes of a string.
  public static let stringBytes = 16 << 20
  /// Strings in all arrays together.
  public static let arrayStrings = 1 << 22
  /// Bytes of everything before the data.
  public static let headerBytes = 256 << 20
  /// Axes of a tensor.
  public static let dimensions = 1...4
  /// Values of `general.alignment`, which are also powers of two.
  public static let alignment = 8...(1 << 20)
  /// The alignment of a file that names none.
  public static let defaultAlignment = 32
  /// Bytes of a tensor's name that ggml reads; ``GGUFWriter`` keeps to it.
  public static let writtenNameBytes = 63
}
