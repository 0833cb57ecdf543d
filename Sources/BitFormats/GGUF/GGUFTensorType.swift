import BitCore
import BitFiles

/// How the elements of a tensor lie in a GGUF file.
///
/// Elements go in blocks along the rows. Most types have nothing but blocks; those of ik_llama.cpp
/// start each row with its scale, and bitnet.cpp's I2_S ends a tensor with one.
///
/// The number in the file is not enough to tell types apart: bitnet.cpp gave 36 to 39 to its own
/// types, and 42 stands for blocks of 64 or of 128. ``GGUFFile`` decides by the other tensors.
public struct GGUFTensorType: Sendable, Hashable, CustomStringConvertible {
  /// The bytes of a type whose size is known.
  struct Layout: Sendable, Hashable {
    var blockLength: Int
    var blockBytes: Int
    /// Bytes at the start of each row.
    var rowBytes = 0
    /// Bytes at the end of the tensor.
    var tensorBytes = 0
  }

  /// The number in the file.
  public let id: UInt32
  /// The name, as ggml and its forks print it in capitals: "TQ1_0".
  public let name: String
  let layout: Layout?

  private init(_ id: UInt32, _ name: String, _ layout: Layout? = nil) {
    (self.id, self.name, self.layout) = (id, name, layout)
  }

  private init(_ id: UInt32, _ name: String, _ blockLength: Int, _ blockBytes: Int) {
    self.init(id, name, Layout(blockLength: blockLength, blockBytes: blockBytes))
  }

  /// Elements in a block; nil for a type whose size is not known.
  public var blockLength: Int? { layout?.blockLength }

  /// Bytes of a block; nil for a type whose size is not known.
  public var blockBytes: Int? { layout?.blockBytes }

  /// The name.
  public var description: String { name }

  /// 32-bit floats.
  public static let f32 = GGUFTensorType(0, "F32", 1, 4)
  /// IEEE 754 floats of 16 bits.
  public static let f16 = GGUFTensorType(1, "F16", 1, 2)
  /// The upper halves of 32-bit floats.
  public static let bf16 = GGUFTensorType(30, "BF16", 1, 2)
  /// Integers of 8 bits, a scale for each 32.
  public static let q8_0 = GGUFTensorType(8, "Q8_0", 32, 34)
  /// Integers of 4 bits, a scale for each 32.
  public static let q4_0 = GGUFTensorType(2, "Q4_0", 32, 18)
  /// Integers of 4 bits, a scale and an offset for each 32.
  public static let q4_1 = GGUFTensorType(3, "Q4_1", 32, 20)
  /// Integers of 6 bits in blocks of 256.
  public static let q6_k = GGUFTensorType(14, "Q6_K", 256, 210)
  /// Ternary, five in a byte, a scale for each 256.
  public static let tq1_0 = GGUFTensorType(34, "TQ1_0", 256, 54)
  /// Ternary, four in a byte, a scale for each 256.
  public static let tq2_0 = GGUFTensorType(35, "TQ2_0", 256, 66)
  /// Signs, eight in a byte, a scale for each 128.
  public static let q1_0 = GGUFTensorType(41, "Q1_0", 128, 18)
  /// Two bits for -1, 0, +1, +2, a scale for each 64.
  public static let q2_0 = GGUFTensorType(42, "Q2_0", 64, 18)
  /// As ``q2_0`` with a scale for each 128, in files from before the number 42 was settled.
  public static let q2_0Block128 = GGUFTensorType(42, "Q2_0", 128, 34)
  /// PrismML: as ``q2_0`` with a scale for each 128.
  public static let pq2_0 = GGUFTensorType(142, "PQ2_0", 128, 34)
  /// PrismML: ternary, five in a byte, a scale for each 128.
  public static let ptq1_0 = GGUFTensorType(143, "PTQ1_0", 128, 28)
  /// bitnet.cpp: ternary, four in a byte, one scale for the tensor.
  public static let i2_s = GGUFTensorType(
    36, "I2_S", Layout(blockLength: 4, blockBytes: 1, tensorBytes: 32))
  /// ik_llama.cpp: ternary, 64 in 13 bytes, a scale for each row.
  public static let iq1_bn = GGUFTensorType(
    134, "IQ1_BN", Layout(blockLength: 64, blockBytes: 13, rowBytes: 2))
  /// ik_llama.cpp: ternary, four in a byte, a scale for each row.
  public static let iq2_bn = GGUFTensorType(
    135, "IQ2_BN", Layout(blockLength: 64, blockBytes: 16, rowBytes: 4))
  /// Rows of four interleaved; read by nothing here.
  static let iq2_bn_r4 = GGUFTensorType(
    335, "IQ2_BN_R4", Layout(blockLength: 64, blockBytes: 16, rowBytes: 4))
  /// What number 36 was in llama.cpp before bitnet.cpp took it.
  static let iq4_nl_4_4 = GGUFTensorType(36, "IQ4_NL_4_4", 32, 18)
  /// Types of bitnet.cpp whose numbers are those of others elsewhere.
  static let bitNet: [UInt32: GGUFTensorType] = [
    37: GGUFTensorType(37, "I8_S"), 38: GGUFTensorType(38, "TL1"), 39: GGUFTensorType(39, "TL2"),
  ]

  /// The types that are the same in every file, those that nothing here decodes included.
  package static let common: [UInt32: GGUFTensorType] = {
    let types: [GGUFTensorType] = [
      .f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q6_k, .tq1_0, .tq2_0, .q1_0, .pq2_0, .ptq1_0,
      .iq1_bn, .iq2_bn, .iq2_bn_r4,
      GGUFTensorType(6, "Q5_0", 32, 22), GGUFTensorType(7, "Q5_1", 32, 24),
      GGUFTensorType(9, "Q8_1", 32, 36), GGUFTensorType(10, "Q2_K", 256, 84),
      GGUFTensorType(11, "Q3_K", 256, 110), GGUFTensorType(12, "Q4_K", 256, 144),
      GGUFTensorType(13, "Q5_K", 256, 176), GGUFTensorType(15, "Q8_K", 256, 292),
      GGUFTensorType(16, "IQ2_XXS", 256, 66), GGUFTensorType(17, "IQ2_XS", 256, 74),
      GGUFTensorType(18, "IQ3_XXS", 256, 98), GGUFTensorType(19, "IQ1_S", 256, 50),
      GGUFTensorType(20, "IQ4_NL", 32, 18), GGUFTensorType(21, "IQ3_S", 256, 110),
      GGUFTensorType(22, "IQ2_S", 256, 82), GGUFTensorType(23, "IQ4_XS", 256, 136),
      GGUFTensorType(24, "I8", 1, 1), GGUFTensorType(25, "I16", 1, 2),
      GGUFTensorType(26, "I32", 1, 4), GGUFTensorType(27, "I64", 1, 8),
      GGUFTensorType(28, "F64", 1, 8), GGUFTensorType(29, "IQ1_M", 256, 56),
      GGUFTensorType(37, "IQ4_NL_4_8", 32, 18), GGUFTensorType(38, "IQ4_NL_8_8", 32, 18),
      GGUFTensorType(39, "MXFP4", 32, 17), GGUFTensorType(40, "NVFP4", 64, 36),
    ]
    return Dictionary(uniqueKeysWithValues: types.map { ($0.id, $0) })
  }()

  /// A type that is not known, by its number.
  static func unknown(_ id: UInt32) -> GGUFTensorType { GGUFTensorType(id, "type \(id)") }

  /// The bytes of a tensor; nil if the size of the type is not known.
  ///
  /// - Parameter shape: outermost first; the product must fit into an Int.
  /// - Throws: ``InputError`` of kind `.malformed` if the rows are no whole blocks or the number
  ///   does not fit into an Int.
  package func byteCount(of shape: [Int], source: String) throws(InputError) -> Int? {
    guard let layout else { return nil }
    let columns = shape.last ?? 1
    guard columns.isMultiple(of: layout.blockLength) else {
      throw InputError(
        .malformed, source: source, found: "rows of \(columns) elements",
        expected: "a multiple of the \(layout.blockLength) of a block of \(name)")
    }
    let rows = shape.dropLast().reduce(1, *)
    let row = (columns / layout.blockLength).multipliedReportingOverflow(by: layout.blockBytes)
    let meta = row.partialValue.addingReportingOverflow(layout.rowBytes)
    let all = meta.partialValue.multipliedReportingOverflow(by: rows)
    let total = all.partialValue.addingReportingOverflow(layout.tensorBytes)
    guard !row.overflow, !meta.overflow, !all.overflow, !total.overflow else {
      throw InputError(
        .malformed, source: source, found: "\(name) of shape \(ErrorText.list(shape))",
        expected: "at most \(Int.max) bytes")
    }
    return total.partialValue
  }
}
