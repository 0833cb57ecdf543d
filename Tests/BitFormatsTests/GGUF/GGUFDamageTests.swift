import BitCore
import BitFormats
import Testing

/// Files that are cut or have wrong bytes: an error or a sound read, never anything else.
@Suite struct GGUFDamageTests {
  /// Reads all that there is; nothing but `InputError` may come of it.
  static func readAll(_ file: GGUFFile) {
    for tensor in file.tensors {
      if let values = try? file.tensor(tensor.name), values.shape.extents != tensor.shape {
        Issue.record("\(tensor.name): \(values.shape) of \(tensor.shape)")
      }
      if let matrix = try? file.packedMatrix(tensor.name),
        matrix.rows * matrix.columns != tensor.count
      {
        Issue.record("\(tensor.name): \(matrix.rows) x \(matrix.columns)")
      }
    }
  }

  /// One small tensor of each type and a pair of each kind.
  static func small() throws -> [UInt8] {
    var made = HandMadeGGUF()
    made.pairs = [
      ("general.architecture", 8, HandMadeGGUF.string("llama")),
      ("general.alignment", 4, HandMadeGGUF.little(UInt32(32))),
      ("general.file_type", 4, HandMadeGGUF.little(UInt32(40))),
      (
        "s", 9,
        HandMadeGGUF.little(UInt32(8)) + HandMadeGGUF.little(UInt64(2)) + HandMadeGGUF.string("ab")
          + HandMadeGGUF.string("é")
      ),
      ("f", 12, HandMadeGGUF.little(Double(0.1).bitPattern)), ("b", 7, [1]),
    ]
    for (type, columns, size) in [
      (0, 7, 28), (1, 8, 16), (30, 8, 16), (8, 32, 34), (14, 256, 210), (34, 256, 54),
      (35, 256, 66), (41, 128, 18), (42, 64, 18), (142, 128, 34), (143, 128, 28), (36, 128, 64),
      (134, 64, 15), (135, 64, 20), (12, 256, 144), (777, 3, 5), (0, 1, 4),
    ] as [(UInt32, Int64, Int)] {
      let content = (0..<size).map { UInt8(truncatingIfNeeded: 37 * $0 % 64) }
      made.add("tensor.\(made.infos.count)", [columns, 1], type: type, content)
    }
    return made.bytes
  }

  @Test func everyCutOfASmallFileIsAnErrorOrARead() throws {
    let bytes = try Self.small()
    let whole = try GGUFFile(bytes: bytes)
    let end = try #require(whole.tensors.last).byteRange.upperBound
    for length in 0...bytes.count {
      do {
        let file = try GGUFFile(bytes: Array(bytes[..<length]), source: "cut")
        #expect(length >= end)
        Self.readAll(file)
      } catch {
        #expect(length < end, "\(error)")
        #expect(error.kind == .malformed)
        #expect(error.source.hasPrefix("cut"))
      }
    }
  }

  @Test func everyFlippedByteOfASmallFileIsAnErrorOrARead() throws {
    var bytes = try Self.small()
    let start = try GGUFFile(bytes: bytes).tensors[0].byteRange.lowerBound
    for place in 0..<start {
      for mask: UInt8 in [1, 2, 16, 128, 255] {
        bytes[place] ^= mask
        if let file = try? GGUFFile(bytes: bytes) { Self.readAll(file) }
        bytes[place] ^= mask
      }
    }
    for place in stride(from: start, to: bytes.count, by: 3) {
      bytes[place] ^= 0xff
      Self.readAll(try GGUFFile(bytes: bytes))
      bytes[place] ^= 0xff
    }
  }

  static let files = GGUFGoldenTests.files + GGUFTinyModelTests.files

  /// Every byte of the head, some of the data.
  @Test(arguments: files) func cutsOfRealFiles(name: String) throws {
    let bytes = try GGUFGolden.bytes(name)
    let whole = try GGUFFile(bytes: bytes)
    let start = whole.tensors[0].byteRange.lowerBound
    let end = try #require(whole.tensors.last).byteRange.upperBound
    // The head of a model is its tokenizer, of which a sample will do; its list of tensors is whole.
    let step = start > 4000 ? 41 : 1
    let lengths =
      Array(stride(from: 0, to: start - 1200, by: step)) + Array(max(0, start - 1200)..<start + 8)
      + Array(stride(from: start + 8, to: end, by: 4999)) + [end - 1]
    for length in lengths {
      let error = #expect(throws: InputError.self) {
        try GGUFFile(bytes: Array(bytes[..<length]))
      }
      #expect(error?.kind == .malformed)
    }
    // The padding of the last tensor is not needed.
    #expect(try GGUFFile(bytes: Array(bytes[..<end])).tensors == whole.tensors)
  }

  /// Each byte of the heads, and some of a model's.
  @Test(arguments: files) func flipsInRealFiles(name: String) throws {
    var bytes = try GGUFGolden.bytes(name)
    let whole = try GGUFFile(bytes: bytes)
    let start = whole.tensors[0].byteRange.lowerBound
    let isModel = start > 4000
    for place in stride(from: 0, to: start, by: isModel ? 29 : 1) {
      for mask: UInt8 in isModel ? [255] : [1, 128, 255] {
        bytes[place] ^= mask
        if let file = try? GGUFFile(bytes: bytes), file.tensors != whole.tensors, !isModel {
          Self.readAll(file)
        }
        bytes[place] ^= mask
      }
    }
  }

  /// Random bytes behind a right magic number and version.
  @Test func randomBytes() {
    var generator = SeededGenerator(seed: 11)
    for round in 0..<2000 {
      let count = Int.random(in: 0...200, using: &generator)
      // Small numbers, or nothing gets past the first count.
      let greatest: UInt8 = round % 2 == 0 ? 3 : 255
      var bytes = Array("GGUF".utf8) + [3, 0, 0, 0]
      bytes += [UInt8.random(in: 0...3, using: &generator), 0, 0, 0, 0, 0, 0, 0]
      bytes += [UInt8.random(in: 0...3, using: &generator), 0, 0, 0, 0, 0, 0, 0]
      bytes += (0..<count).map { _ in
        UInt8.random(in: 0...greatest, using: &generator)
          & .random(in: 0...greatest, using: &generator)
      }
      if let file = try? GGUFFile(bytes: bytes) { Self.readAll(file) }
    }
  }
}
