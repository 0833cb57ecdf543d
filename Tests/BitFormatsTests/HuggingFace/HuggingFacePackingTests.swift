import BitCore
import BitFormats
import Foundation
import Testing

/// The packing and the layers of transformers.
struct HuggingFaceGolden: Decodable {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let shape: [Int]
    let ternary: [Int8]
    let packed_shape: [Int]
    let packed: [UInt8]
    let unpacked: [Int8]

    var testDescription: String { name }
    /// A vector packs as a matrix of one column.
    var rows: Int { shape[0] }
    var columns: Int { shape.count == 2 ? shape[1] : 1 }
  }

  struct Matrix: Decodable, Sendable {
    let shape: [Int]
    let data: [Float]
    var tensor: Tensor { Tensor(data, shape: Shape(shape)) }
  }

  struct Layer: Decodable, Sendable {
    let bias: [Float]?
    let use_rms_norm: Bool
    let rms_norm_eps: Double
    let x: Matrix
    let ternary: Matrix
    let bitlinear_weight_scale: Float
    let autobitlinear_weight_scale: Float
    let y_bitlinear: Matrix
    let y_autobitlinear_offline: Matrix
  }

  let cases: [Case]
  let layers: [Layer]

  static let shared = Result {
    try JSONDecoder().decode(HuggingFaceGolden.self, from: Golden.data("hf_packing.json"))
  }
}

@Suite struct HuggingFacePackingTests {
  static let cases = HuggingFaceGolden.shared.map(\.cases)

  @Test func thereAre13Cases() throws { #expect(try Self.cases.get().count == 13) }

  private func unpack(
    _ packing: HuggingFacePacking, _ rows: Range<Int>, _ bytes: [UInt8]
  ) throws -> [Int8] {
    try bytes.withUnsafeBytes { try packing.unpack(rows: rows, from: $0, source: "w") }
  }

  /// All rows at once and every range of rows; padded rows come out as transformers has them.
  @Test(arguments: try cases.get())
  func unpacksAsTransformers(golden: HuggingFaceGolden.Case) throws {
    let rows = 4 * golden.packed_shape[0]
    let packing = try HuggingFacePacking(rows: rows, columns: golden.columns, source: "w")
    for start in 0...rows {
      for end in start...rows {
        let expected = golden.unpacked[start * golden.columns..<end * golden.columns]
        #expect(try unpack(packing, start..<end, golden.packed) == Array(expected))
      }
    }
  }

  @Test(arguments: try cases.get())
  func packsAsTransformers(golden: HuggingFaceGolden.Case) throws {
    let (rows, columns) = (golden.rows, golden.columns)
    guard rows.isMultiple(of: 4) else {
      let error = #expect(throws: InputError.self) {
        try HuggingFacePacking(rows: rows, columns: columns, source: "w")
      }
      #expect(error?.kind == .unsupported)
      #expect(
        error?.description == "w: found \(rows) rows of ternary weights, expected a multiple of 4, "
          + "of which Hugging Face's packing makes \((rows + 3) / 4) rows of bytes")
      return
    }
    let packing = try HuggingFacePacking(rows: rows, columns: columns, source: "w")
    #expect(packing.packedRows == golden.packed_shape[0])
    for start in 0...packing.packedRows {
      for end in start...packing.packedRows {
        var asked: [Range<Int>] = []
        let bytes = try packing.pack(packedRows: start..<end, source: "w") { rows in
          asked.append(rows)
          return Array(golden.ternary[rows.lowerBound * columns..<rows.upperBound * columns])
        }
        #expect(bytes == Array(golden.packed[start * columns..<end * columns]))
        #expect(asked == (0..<4).map { $0 * rows / 4 + start..<$0 * rows / 4 + end })
      }
    }
  }

  /// The value 3 at every place, in a matrix of 8 x 3: an error that names its row and column,
  /// but only if the row is asked for.
  @Test func refusesTheCode3() throws {
    let packing = try HuggingFacePacking(rows: 8, columns: 3, source: "w")
    for row in 0..<8 {
      for column in 0..<3 {
        var bytes = [UInt8](repeating: 0b01_01_01_01, count: 6)
        bytes[row % 2 * 3 + column] |= 3 << UInt8(row / 2 * 2)
        let error = #expect(throws: InputError.self) { try unpack(packing, 0..<8, bytes) }
        #expect(error?.kind == .malformed)
        #expect(
          error?.description
            == "w: found code 3 in row \(row), column \(column), expected codes 0, 1, 2 for -1, 0, +1"
        )
        #expect(throws: InputError.self) { try unpack(packing, row..<row + 1, bytes) }
        let zeros = [Int8](repeating: 0, count: 3)
        for other in 0..<8 where other != row {
          #expect(try unpack(packing, other..<other + 1, bytes) == zeros)
        }
      }
    }
  }

  @Test(arguments: [2, -2, Int8.min, Int8.max])
  func refusesToPackOtherCodes(code: Int8) throws {
    let packing = try HuggingFacePacking(rows: 8, columns: 3, source: "w")
    let error = #expect(throws: InputError.self) {
      try packing.pack(packedRows: 1..<2, source: "w") { rows in
        rows == 5..<6 ? [0, 1, code] : [0, 1, -1]
      }
    }
    #expect(
      error?.description == "w: found code \(code) in row 5, column 2, expected -1, 0 or +1")
  }

  @Test func refusesWhatDoesNotFit() throws {
    let packing = try HuggingFacePacking(rows: 8, columns: 3, source: "w")
    for (rows, count) in [(0..<8, 5), (0..<9, 6), (-1..<2, 6)] {
      let error = #expect(throws: InputError.self) {
        try unpack(packing, rows, [UInt8](repeating: 0, count: count))
      }
      #expect(error?.kind == .mismatch)
    }
    for (rows, count) in [(0..<3, 9), (-1..<1, 6), (0..<2, 5)] {
      let error = #expect(throws: InputError.self) {
        try packing.pack(packedRows: rows, source: "w") { _ in [Int8](repeating: 0, count: count) }
      }
      #expect(error?.kind == .mismatch)
    }
    for (rows, columns) in [(-4, 1), (4, -1), (1 << 62, 4)] {
      #expect(throws: InputError.self) {
        try HuggingFacePacking(rows: rows, columns: columns, source: "w")
      }
    }
  }
}
