/// One tensor of a GGUF file, without its data.
public struct GGUFTensorInfo: Sendable, Hashable {
  /// The name, such as "blk.0.attn_q.weight".
  public let name: String
  /// The element type.
  public let type: GGUFTensorType
  /// The extents in the order of PyTorch, outermost first: `[out, in]` for a weight.
  public let shape: [Int]
  /// Where the data is, in bytes from the start of the file; for a type whose size is not known, up
  /// to the next tensor or the end of the file.
  public let byteRange: Range<Int>

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }
  /// The number of rows: the product of all extents but the last.
  public var rows: Int { shape.dropLast().reduce(1, *) }
  /// The elements of a row: the last extent.
  public var columns: Int { shape.last ?? 1 }
}
