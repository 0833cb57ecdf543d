import BitCore
import BitFiles

/// A tensor to be written to a GGUF file.
///
/// Whether its data has the right size is found out when it is written.
public struct GGUFEntry: Sendable {
  /// The name, at most 63 bytes of UTF-8.
  public let name: String
  /// The element type in the file.
  public let type: GGUFTensorType
  /// The extents, outermost first, 1 to 4 of them: `[out, in]` for a weight.
  public let shape: [Int]
  /// Gives the data to the writer.
  package let stream: @Sendable (inout FileWriter) throws(InputError) -> Void

  /// The elements that are turned into bytes at a time.
  private static let pieceElements = 1 << 20

  /// A tensor whose data `stream` gives piece by piece, exactly as many bytes as `type` and `shape`
  /// say.
  package init(
    _ name: String, type: GGUFTensorType, shape: [Int],
    stream: @escaping @Sendable (inout FileWriter) throws(InputError) -> Void
  ) {
    (self.name, self.type, self.shape, self.stream) = (name, type, shape, stream)
  }

  /// A tensor of the given bytes.
  public init(_ name: String, type: GGUFTensorType, shape: [Int], bytes: [UInt8]) {
    self.init(name, type: type, shape: shape) { (writer) throws(InputError) in
      try writer.write(bytes)
    }
  }

  /// A tensor of floats as F32, F16, BF16, Q8_0, TQ1_0, TQ2_0, Q1_0, Q2_0 or PQ2_0 by the rules of
  /// ggml, or as I2_S if they are ternary.
  ///
  /// ggml's rules for the ternary types go by the greatest magnitude of a block, not by the mean, so
  /// they are for values that are ternary already; better still, write a ``CodedTensor``.
  ///
  /// Writing throws `InputError` for another type, a value or a scale that the type does not have,
  /// or values that I2_S would change.
  public init(
    _ name: String, _ tensor: Tensor, type: GGUFTensorType = .f32, i2sLayout: I2SLayout = .x86
  ) {
    let shape = tensor.shape.extents.isEmpty ? [1] : tensor.shape.extents
    self.init(name, type: type, shape: shape) { (writer) throws(InputError) in
      let source = "\(writer.source), tensor \(ErrorText.quoted(name))"
      if type == .i2_s {
        let coded = try CodedTensor(ternary: tensor, source: source)
        return try Self.write(coded, type, i2sLayout, to: &writer)
      }
      let quantizer = GGUFQuantizer(type: type, i2sLayout: i2sLayout, source: source)
      let (rows, columns) = (tensor.shape.rows, tensor.shape.features)
      let piece = max(1, Self.pieceElements / max(1, columns))
      try tensor.withUnsafePointer { (start) throws(InputError) in
        for first in stride(from: 0, to: rows, by: piece) {
          let count = min(piece, rows - first) * columns
          let values = UnsafeBufferPointer(start: start + first * columns, count: count)
          try writer.write(quantizer.bytes(values, columns: columns, firstRow: first))
        }
      }
    }
  }

  /// Codes and scales as TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0 or I2_S, unchanged.
  ///
  /// Writing throws `InputError` for what the type cannot hold: other codes, scales of other
  /// weights, a scale that is no half precision number. The layout of I2_S is not marked in the
  /// file, unless the caller sets the metadata `bitlinear.i2_s_layout`.
  public init(
    _ name: String, _ tensor: CodedTensor, type: GGUFTensorType, i2sLayout: I2SLayout = .x86
  ) {
    self.init(name, tensor, type: type, shape: [tensor.rows, tensor.columns], i2sLayout: i2sLayout)
  }

  /// As the other initializer does, with extents of which there may be more than two.
  package init(
    _ name: String, _ tensor: CodedTensor, type: GGUFTensorType, shape: [Int],
    i2sLayout: I2SLayout = .x86
  ) {
    self.init(name, type: type, shape: shape) { (writer) throws(InputError) in
      try Self.write(tensor, type, i2sLayout, to: &writer)
    }
  }

  private static func write(
    _ tensor: CodedTensor, _ type: GGUFTensorType, _ layout: I2SLayout,
    to writer: inout FileWriter
  ) throws(InputError) {
    let codes = try GGUFCodeWriter(tensor, type, i2sLayout: layout)
    try writer.write(tensor.rows, by: tensor.pieceRows) { (rows) throws(InputError) in
      try codes.bytes(rows: rows)
    }
    try writer.write(codes.trailer())
  }
}
