/// One tensor of a safetensors file, without its data.
public struct SafetensorsTensorInfo: Sendable, Equatable {
  /// The name, such as "model.layers.0.self_attn.q_proj.weight".
  public let name: String
  /// The element type.
  public let dtype: DType
  /// The extents, outermost first; none for a scalar.
  public let shape: [Int]
  /// Where the data is, in bytes from the start of the file.
  public let byteRange: Range<Int>

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }
}
