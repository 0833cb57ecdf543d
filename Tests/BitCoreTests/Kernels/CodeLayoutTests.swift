import Testing

@testable import BitCore

/// The layouts of `bitlinear.h`, and matrices over memory of somebody else.
@Suite struct CodeLayoutTests {
  static let sizes = [(1, 1), (3, 5), (16, 32), (64, 31), (65, 33), (130, 97), (63, 160)]

  @Test(arguments: WeightAlphabet.allCases, sizes)
  func `every layout by its formula, from every other one`(
    alphabet: WeightAlphabet, size: (Int, Int)
  ) {
    let (rows, columns) = size
    var generator = SeededGenerator(seed: 4)
    let codes = generator.codes(rows * columns, alphabet)
    let extents = CodeExtents(rows: rows, columns: columns, alphabet: alphabet)
    let expected = Dictionary(
      uniqueKeysWithValues: CodeLayout.allCases.map {
        ($0, Self.bytes($0, codes, rows: rows, columns: columns, alphabet))
      })
    for from in CodeLayout.allCases {
      for to in CodeLayout.allCases {
        let source = expected[from] ?? []
        let target = Guarded<UInt8>(count: extents.byteCount(to))
        extents.convert(source, from: from, to: to, target.pointer)
        #expect(target.values == expected[to], "\(from) to \(to)")
        #expect(target.isIntact)
      }
    }
  }

  /// What belongs to no row and no column is ignored.
  @Test(arguments: WeightAlphabet.allCases, [CodeLayout.lookup, .dot])
  func `padding may have any bits`(alphabet: WeightAlphabet, layout: CodeLayout) {
    let (rows, columns) = (67, 35)
    var generator = SeededGenerator(seed: 5)
    let codes = generator.codes(rows * columns, alphabet)
    let extents = CodeExtents(rows: rows, columns: columns, alphabet: alphabet)
    func bytes(_ layout: CodeLayout, _ codes: [Int8]) -> [UInt8] {
      Self.bytes(layout, codes, rows: rows, columns: columns, alphabet)
    }
    // All bits of codes: stored 2 for a ternary +1 is one of the two bits of its field.
    let plus = bytes(layout, [Int8](repeating: 1, count: rows * columns))
    let used = alphabet == .sign ? plus : plus.map { $0 | $0 >> 1 }
    let clean = bytes(layout, codes)
    let dirty = zip(clean, used).map { $0 | ~$1 }
    #expect(dirty != clean)
    let target = Guarded<UInt8>(count: extents.byteCount(.rows))
    extents.convert(dirty, from: layout, to: .rows, target.pointer)
    #expect(target.values == bytes(.rows, codes))
  }

  @Test(arguments: PackedFormat.allCases.filter { $0 != .ternary1_6 }, WeightScales.blockLengths)
  func `blocks of columns do not move codes`(format: PackedFormat, length: Int) throws {
    for columns in [1, 63, 64, 65, 127, 129, 200, 256, 257, 513] {
      var generator = SeededGenerator(seed: 6)
      let codes = generator.codes(70 * columns, format.alphabet)
      let blocks = (columns + length - 1) / length
      func matrix(_ scales: WeightScales) throws -> CodeMatrix {
        try CodeMatrix(
          codes: codes, rows: 70, columns: columns, alphabet: format.alphabet, scales: scales,
          format: format)
      }
      let whole = try matrix(.groups([1]))
      let blocked = try matrix(.blocks(columns: length, .init(repeating: 1, count: 70 * blocks)))
      for name in CPU.usableKernelNames {
        let kernels = try #require(KernelSet(named: name))
        #expect(
          Self.memory(of: whole.adapted(to: kernels))
            == Self.memory(of: blocked.adapted(to: kernels)), "\(name), \(columns)")
      }
    }
  }

  @Test(arguments: WeightAlphabet.allCases, CPU.usableKernelNames)
  func `borrowed codes give the same products`(alphabet: WeightAlphabet, name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    let product = CodeProduct(tokens: 40, rows: 70, columns: 301, alphabet: alphabet)
    for scales in product.scales {
      let matrix = try #require(product.matrices(scales).first).adapted(to: kernels)
      let bytes = matrix.codeBuffer.count
      let memory = AlignedBuffer<UInt8>(repeating: 0x5a, count: bytes + 64)
      defer { withExtendedLifetime(memory) {} }
      // A multiple of 64 bytes, and one that no load can expect.
      for offset in [0, 1] {
        (memory.pointer + offset).update(from: Self.memory(of: matrix), count: bytes)
        let borrowed = try CodeMatrix(
          borrowing: memory.pointer + offset, rows: 70, columns: 301, alphabet: alphabet,
          scales: scales, kernels: kernels)
        #expect(borrowed.codeBuffer.pointer == memory.pointer + offset)
        #expect(borrowed.byteCount == matrix.byteCount)
        #expect(borrowed.packedRows == matrix.packedRows)
        for tokens in [1, 5, 40] {
          let x = product.activations(tokens: tokens)
          #expect(
            sameBits(
              borrowed.matmul(x, bias: product.bias, kernels: kernels),
              matrix.matmul(x, bias: product.bias, kernels: kernels)), "\(scales), \(tokens)")
        }
      }
    }
  }

  @Test(arguments: WeightAlphabet.allCases, CPU.usableKernelNames)
  func `weights packed into memory`(alphabet: WeightAlphabet, name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    let quantizer = WeightQuantizer(alphabet)
    let weight = random([66, 45])
    let statistics = quantizer.statistics(of: weight, groups: 3)
    let matrix = quantizer.quantize(
      weight, statistics: statistics, format: alphabet.defaultFormat, kernels: kernels)
    let target = Guarded<UInt8>(count: matrix.codeByteCount)
    quantizer.pack(weight, statistics: statistics, to: target.pointer, kernels: kernels)
    #expect(target.values == Self.memory(of: matrix))
    #expect(target.isIntact)
  }

  private static func memory(of matrix: CodeMatrix) -> [UInt8] {
    defer { withExtendedLifetime(matrix) {} }
    return Array(matrix.codeBuffer.elements)
  }

  /// The bytes that `bitlinear.h` describes, with zeros in unused bits.
  static func bytes(
    _ layout: CodeLayout, _ codes: [Int8], rows: Int, columns: Int, _ alphabet: WeightAlphabet
  ) -> [UInt8] {
    let bits = alphabet == .sign ? 1 : 2
    // Columns of a step, and its steps in a row.
    let n = layout == .dot ? 32 / bits : 8 / bits
    let steps = (columns + n - 1) / n
    let strips = (rows + 63) / 64
    let count =
      switch layout {
      case .rows: rows * steps
      case .lookup: 64 * strips * steps
      case .dot: 64 * strips * 4 * steps
      }
    var bytes = [UInt8](repeating: 0, count: count)
    for r in 0..<rows {
      for c in 0..<columns {
        let code = codes[r * columns + c]
        let stored = alphabet == .sign ? UInt8(code == 1 ? 1 : 0) : UInt8(code + 1)
        let k = r % 64
        let (byte, bit) =
          switch layout {
          case .rows: (r * steps + c / n, bits * (c % n))
          case .lookup:
            (
              64 * (steps * (r / 64) + c / n) + 32 * (k / 32) + 16 * (k / 4 % 2) + 4 * (k / 8 % 4)
                + k % 4, bits * (c % n)
            )
          case .dot:
            (64 * (steps * (r / 16) + c / n) + 4 * (r % 16) + c % 4, bits * (c % n / 4))
          }
        bytes[byte] |= stored << UInt8(bit)
      }
    }
    return bytes
  }
}
