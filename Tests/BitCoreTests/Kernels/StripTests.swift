import CBitKernels
import Testing

@testable import BitCore

/// Strips, the packed layouts of `bitkernels.h`: every byte has the index and the value of its
/// formula, and all sets of kernels with a layout pack and unpack the same.
@Suite struct StripTests {
  static let columnCounts =
    Array(1...70) + [127, 128, 129, 191, 192, 193, 255, 256, 257, 300, 513, 784]
  static let blockLengths = [0] + WeightScales.blockLengths

  @Test(arguments: PackedFormat.allCases, blockLengths)
  func `packing and unpacking`(format: PackedFormat, length: Int) throws {
    let sets = try CPU.usableKernelNames.map { try #require(KernelSet(named: $0)) }
    var generator = SeededGenerator(seed: 6)
    for columns in Self.columnCounts {
      let panels = Panels(columns, codes: generator.codes(64 * columns, format.alphabet))
      for set in sets {
        let layout = set.layout(format)
        let count = bk_strip_bytes(layout, columns, format.kernelFormat, length)
        let packed = Guarded<UInt8>(count: count)
        bk_pack_strip(
          set.table, panels.bytes, columns, format.kernelFormat, length, packed.pointer)
        // The bytes of five trits for dot products have tables that only the C code knows.
        if layout == BK_LOOKUP {
          #expect(packed.values == lookupStrip(panels, format, length))
        } else if format != .ternary1_6 {
          #expect(packed.values == dotStrip(panels, format))
        }
        let unpacked = Guarded<UInt8>(count: panels.bytes.count)
        bk_unpack_strip(
          set.table, packed.values, columns, format.kernelFormat, length, unpacked.pointer)
        #expect(panels.withoutFilling(unpacked.values) == panels.bytes)
        #expect(packed.isIntact && unpacked.isIntact)
      }
    }
  }

  @Test func `sizes`() {
    #expect((BK_STRIP_ROWS, BK_PANEL_ROWS, BK_STRIP_PANELS) == (64, 16, 4))
    #expect(PackedFormat.allCases.map(\.codesPerByte) == [4, 5, 8])
    #expect(PackedFormat.allCases.map(\.bitsPerWeight) == [2, 1.6, 1])
    #expect([0, 1, 63, 64, 65, 2560].map { bk_strip_count($0) } == [0, 1, 1, 1, 2, 40])
    #expect([0, 1, 4, 5, 257].map { bk_panel_bytes($0) } == [0, 64, 64, 128, 64 * 65])
    #expect(bk_strip_bytes(BK_LOOKUP, 257, BK_PANELS, 0) == 4 * 64 * 65)
    // A block of 64 takes 13 bytes of five codes, the last one padded.
    #expect(bk_strip_bytes(BK_LOOKUP, 65, BK_TERNARY1_6, 0) == 64 * 13)
    #expect(bk_strip_bytes(BK_LOOKUP, 65, BK_TERNARY1_6, 64) == 64 * 14)
    #expect(bk_strip_bytes(BK_LOOKUP, 128, BK_TERNARY1_6, 64) == 64 * 26)
    #expect(bk_strip_bytes(BK_LOOKUP, 128, BK_TERNARY1_6, 128) == 64 * 26)
    #expect(bk_strip_bytes(BK_LOOKUP, 65, BK_TERNARY2, 64) == 64 * 17)
    #expect(bk_strip_bytes(BK_LOOKUP, 65, BK_SIGN1, 64) == 64 * 9)
    // A step for dot products has 16, 20 or 32 columns of a panel.
    #expect(bk_strip_bytes(BK_DOT, 65, BK_TERNARY2, 64) == 4 * 64 * 5)
    #expect(bk_strip_bytes(BK_DOT, 65, BK_TERNARY1_6, 0) == 4 * 64 * 4)
    #expect(bk_strip_bytes(BK_DOT, 129, BK_TERNARY1_6, 128) == 4 * 64 * 8)
    #expect(bk_strip_bytes(BK_DOT, 65, BK_SIGN1, 64) == 4 * 64 * 3)
    #expect([64, 128, 256, 0].map { bk_block_count(300, $0) } == [5, 3, 2, 1])
    #expect(bk_block_count(0, 64) == 1)
    // The zeros after a token's codes reach beyond the last step of every format.
    for columns in 0...300 { #expect(bk_padded_columns(columns) >= columns + 31) }
  }

  /// Bytes by hand: five codes of one row, the code 0 (-1 for signs) everywhere else.
  @Test(
    arguments: [
      // (+1, 0, -1, +1): 2 + 4 * 1 + 16 * 0 + 64 * 2
      (PackedFormat.ternary2, [1, 0, -1, 1], 134, 0b01_01_01_01),
      // 81 * 2 + 27 * 1 + 9 * 0 + 3 * 2 + 1
      (.ternary1_6, [1, 0, -1, 1, 0], 196, 121),
      (.sign1, [1, -1, -1, 1, -1, -1, -1, 1], 0b1000_1001, 0),
    ] as [(PackedFormat, [Int8], UInt8, UInt8)])
  func `bytes of one row`(format: PackedFormat, codes: [Int8], byte: UInt8, rest: UInt8) throws {
    let columns = codes.count
    let filler: Int8 = format == .sign1 ? -1 : 0
    let scalar = try #require(KernelSet(named: "scalar"))
    for row in 0..<64 {
      var all = [Int8](repeating: filler, count: 64 * columns)
      all.replaceSubrange(row * columns..<(row + 1) * columns, with: codes)
      let matrix = try CodeMatrix(
        codes: all, rows: 64, columns: columns, alphabet: format.alphabet, scales: .groups([1]),
        format: format
      ).adapted(to: scalar)
      let bytes = matrix.codeBuffer.withUnsafeMutablePointer {
        [UInt8](UnsafeBufferPointer(start: $0, count: 64))
      }
      // Row 32k + 8v + 4h + i has byte 32k + 16h + 4v + i.
      let (k, v, h, i) = (row / 32, row / 8 % 4, row / 4 % 2, row % 4)
      #expect(bytes[32 * k + 16 * h + 4 * v + i] == byte)
      #expect(bytes.filter { $0 == rest }.count == 63)
    }
  }

  /// The same row's codes as four panels: byte 64q + 4r + j of panel p is row 16p + r, column
  /// 4q + j.
  @Test func `bytes of unpacked codes`() {
    for alphabet in WeightAlphabet.allCases {
      let statistics = [
        WeightQuantizer.Statistics(parameter: alphabet == .sign ? 0 : 1, scale: 1)
      ]
      for (row, column) in [(0, 0), (1, 0), (0, 1), (15, 5), (16, 4), (37, 6), (63, 7)] {
        var weight = Tensor(repeating: -1, shape: [64, 8])
        weight[row, column] = 1
        let matrix = WeightQuantizer(alphabet).quantize(weight, statistics: statistics)
        let bytes = Array(matrix.codeBuffer.elements)
        #expect(bytes.count == 4 * 128)
        let place = row / 16 * 128 + 64 * (column / 4) + 4 * (row % 16) + column % 4
        #expect(bytes.indices.filter { bytes[$0] == 2 } == [place])
        #expect(bytes.filter { $0 == 0 }.count == 511)
      }
    }
  }

  /// Every byte that five ternary codes make.
  @Test func `all bytes of ternary codes`() throws {
    let codes = (0..<243).flatMap { byte in
      [81, 27, 9, 3, 1].map { Int8(byte / $0 % 3 - 1) }
    }
    let matrix = try CodeMatrix(
      codes: codes, rows: 243, columns: 5, alphabet: .ternary, scales: .groups([1]),
      format: .ternary1_6)
    let scalar = try #require(KernelSet(named: "scalar"))
    let buffer = matrix.adapted(to: scalar).codeBuffer
    let bytes = buffer.withUnsafeMutablePointer {
      [UInt8](UnsafeBufferPointer(start: $0, count: buffer.count))
    }
    for row in 0..<243 {
      let (k, v, h, i) = (row / 32, row / 8 % 4, row / 4 % 2, row % 4)
      #expect(bytes[32 * k + 16 * h + 4 * v + i] == UInt8(row))
    }
    #expect(matrix.codes == codes)
  }

  /// The strip that the header describes for dot products, of ternary codes at 2 bits or signs.
  private func dotStrip(_ panels: Panels, _ format: PackedFormat) -> [UInt8] {
    let (fields, bits) = format == .sign1 ? (8, 1) : (4, 2)
    let steps = (panels.columns + 4 * fields - 1) / (4 * fields)
    var bytes = [UInt8](repeating: 0, count: 64 * 4 * steps)
    for row in 0..<64 {
      for column in 0..<panels.columns {
        let stored = UInt8(panels.codes[row * panels.columns + column] + 1)
        let (step, rest) = column.quotientAndRemainder(dividingBy: 4 * fields)
        let place = (row / 16 * steps + step) * 64 + 4 * (row % 16) + rest % 4
        bytes[place] |= (format == .sign1 ? stored / 2 : stored) << UInt8(bits * (rest / 4))
      }
    }
    return bytes
  }

  /// The strip that the header describes for look-ups.
  private func lookupStrip(_ panels: Panels, _ format: PackedFormat, _ length: Int) -> [UInt8] {
    let perByte = [.ternary2: 4, .ternary1_6: 5, .sign1: 8][format] ?? 0
    var bytes: [UInt8] = []
    let blockLength = length == 0 ? panels.columns : length
    for start in stride(from: 0, to: panels.columns, by: blockLength) {
      let end = min(start + blockLength, panels.columns)
      for first in stride(from: start, to: end, by: perByte) {
        var step = [UInt8](repeating: 0, count: 64)
        for row in 0..<64 {
          // Padding has the code 0 or, in a sign format, which has no 0, a clear bit.
          let stored = (first..<first + perByte).map { column in
            column < end
              ? UInt8(panels.codes[row * panels.columns + column] + 1)
              : format == .sign1 ? 0 : 1
          }
          let place = 32 * (row / 32) + 16 * (row / 4 % 2) + 4 * (row / 8 % 4) + row % 4
          step[place] = byte(stored, format)
        }
        bytes += step
      }
    }
    return bytes
  }

  private func byte(_ stored: [UInt8], _ format: PackedFormat) -> UInt8 {
    switch format {
    case .ternary2: stored[0] | stored[1] << 2 | stored[2] << 4 | stored[3] << 6
    case .ternary1_6:
      81 * stored[0] + 27 * stored[1] + 9 * stored[2] + 3 * stored[3] + stored[4]
    case .sign1: stored.enumerated().reduce(0) { $0 | ($1.element / 2) << UInt8($1.offset) }
    }
  }
}

/// The four panels of 64 rows of codes, and those rows.
private struct Panels {
  let columns: Int
  let codes: [Int8]
  private(set) var bytes: [UInt8]

  init(_ columns: Int, codes: [Int8]) {
    self.columns = columns
    self.codes = codes
    bytes = [UInt8](repeating: 0, count: 64 * 4 * ((columns + 3) / 4))
    for row in 0..<64 {
      for column in 0..<columns {
        bytes[Self.place(row, column, columns)] = UInt8(codes[row * columns + column] + 1)
      }
    }
  }

  private static func place(_ row: Int, _ column: Int, _ columns: Int) -> Int {
    let panelBytes = 64 * ((columns + 3) / 4)
    return row / 16 * panelBytes + 64 * (column / 4) + 4 * (row % 16) + column % 4
  }

  /// Panels with zeros for the padding of quads.
  func withoutFilling(_ panels: [UInt8]) -> [UInt8] {
    var panels = panels
    for column in columns..<(columns + 3) / 4 * 4 {
      for row in 0..<64 { panels[Self.place(row, column, columns)] = 0 }
    }
    return panels
  }
}
