import Testing

@testable import BitCore

/// The product of activations with a scale for each block of columns, for every set of kernels, every
/// format and every kind of scales of the weights, against a plain loop over integers, bit for bit.
@Suite struct ActivationBlockTests {
  static let lengths = ActivationQuantizer.Granularity.blockLengths
  /// Whole blocks, ragged ones, and fewer columns than a block.
  static let columnCounts = [1, 5, 31, 32, 33, 64, 96, 127, 129, 240, 256, 257, 300, 520, 784]

  /// The numbers of rows and tokens change with the columns.
  @Test(arguments: lengths, columnCounts)
  func `random codes`(length: Int, columns: Int) throws {
    for alphabet in WeightAlphabet.allCases {
      let product = CodeProduct(
        tokens: 6, rows: 1 + columns * 37 % 70, columns: columns, alphabet: alphabet,
        quantizer: ActivationQuantizer(granularity: .block(length)))
      for scales in product.scales {
        #expect(try product.firstDifference(scales, tokens: [1, 2 + columns % 3, 6]) == nil)
      }
    }
  }

  @Test(arguments: lengths, 2...16)
  func `codes of every width`(length: Int, bits: Int) throws {
    for (columns, rows) in [(1, 3), (65, 66), (300, 5)] {
      for range in [ActivationQuantizer.CodeRange.symmetric, .full] {
        let product = CodeProduct(
          tokens: 3, rows: rows, columns: columns,
          alphabet: bits % 2 == 0 ? .ternary : .sign,
          quantizer: ActivationQuantizer(bits: bits, granularity: .block(length), range: range))
        for scales in product.scales {
          #expect(try product.firstDifference(scales, tokens: [1, 3]) == nil)
        }
      }
    }
  }

  @Test(arguments: lengths)
  func `more tokens than a pass or a job has, and long rows`(length: Int) throws {
    let quantizer = ActivationQuantizer(granularity: .block(length))
    for (tokens, rows, columns) in [(131, 5, 70), (3, 66, 2570)] {
      let product = CodeProduct(
        tokens: tokens, rows: rows, columns: columns, alphabet: .ternary, quantizer: quantizer)
      for scales in [.groups([0.3]), product.blockScales(64, exactHalves: true)] {
        #expect(try product.firstDifference(scales, tokens: [1, tokens / 2, tokens]) == nil)
      }
    }
  }

  @Test(arguments: lengths, [(8, -1), (8, 1), (16, -1), (16, 1)] as [(Int, Float)])
  func `extreme codes do not overflow`(length: Int, input: (Int, Float)) throws {
    let (bits, value) = input
    let quantizer = ActivationQuantizer(bits: bits, granularity: .block(length), range: .full)
    let x = Tensor(repeating: value, shape: [3, 520])
    let top = 1 << (bits - 1)
    #expect(quantizer.quantize(x).codes.allSatisfy { $0 == (value < 0 ? -top : top - 1) })
    for alphabet in WeightAlphabet.allCases {
      let product = CodeProduct(
        codes: [Int8](repeating: -1, count: 17 * 520), rows: 17, x: x, alphabet: alphabet,
        quantizer: quantizer)
      for scales in product.scales {
        #expect(try product.firstDifference(scales, tokens: [1, 3]) == nil)
      }
    }
  }

  /// The formula by hand, once: two blocks of activations, with a scale per row and with two blocks
  /// of weights.
  @Test func `two blocks by hand`() throws {
    let values = (0..<64).map { (column: Int) -> Float in
      column < 32 ? Float(column - 16) : Float(1000 - column)
    }
    let x = Tensor(values, shape: [1, 64])
    let quantized = ActivationQuantizer(granularity: .block(32)).quantize(x)
    let inverses = quantized.scales.map { 1 / $0 }
    let codes = [Int8](repeating: 1, count: 64)
    let sums = [0..<32, 32..<64].map { Float(quantized.codes[$0].reduce(0, +)) }
    let rows = try CodeMatrix(
      codes: codes, rows: 1, columns: 64, alphabet: .ternary, groupScales: [0.3])
    let expected = Float(0).addingProduct(sums[0], inverses[0])
      .addingProduct(sums[1], inverses[1])
    #expect(rows.matmul(quantized).scalars == [expected * 0.3])
    let blocks = try CodeMatrix(
      codes: codes, rows: 1, columns: 64, alphabet: .ternary,
      scales: .blocks(columns: 64, [0.7]), format: .ternary2)
    let factors = inverses.map { 0.7 * $0 }
    let scaled = Float(0).addingProduct(sums[0], factors[0]).addingProduct(sums[1], factors[1])
    #expect(blocks.matmul(quantized).scalars == [scaled])
  }

  @Test(arguments: lengths, [8, 12])
  func `the same bits for any number of threads, and for a token alone`(
    length: Int, bits: Int
  ) throws {
    let quantizer = ActivationQuantizer(bits: bits, granularity: .block(length))
    let (tokens, rows, columns) = (40, 70, 300)
    let x = random([tokens, columns], seed: 4)
    for alphabet in WeightAlphabet.allCases {
      let product = CodeProduct(tokens: 1, rows: rows, columns: columns, alphabet: alphabet)
      for scales in [.groups([0.3, 0.4]), product.blockScales(128, exactHalves: false)] {
        for matrix in try product.matrices(scales) {
          func output(_ range: Range<Int>, threads: Int) -> Tensor {
            matrix.matmul(
              quantizer.quantize(x.rows(range)), bias: product.bias, kernels: .active,
              pool: ThreadPool(threads: threads))
          }
          let batch = output(0..<tokens, threads: 1)
          for threads in [2, 3] { #expect(sameBits(output(0..<tokens, threads: threads), batch)) }
          for token in [0, 1, 31, 32, 39] {
            #expect(
              sameBits(output(token..<token + 1, threads: 2), batch.rows(token..<token + 1)))
          }
        }
      }
    }
  }

  @Test(arguments: lengths, CPU.usableKernelNames)
  func `rows that are not finite, and zeros`(length: Int, name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    let columns = 300
    for bits in [8, 12] {
      let quantizer = ActivationQuantizer(bits: bits, granularity: .block(length))
      var x = random([5, columns])
      // A row of zeros, and a block of zeros beside others.
      for column in 0..<columns { x[3, column] = 0 }
      for column in length..<min(columns, 2 * length) { x[4, column] = 0 }
      let good = quantizer.quantize(x, kernels: kernels)
      #expect(good.scales[3 * good.blocksPerRow..<4 * good.blocksPerRow].allSatisfy { $0 == 1 })
      (x[0, 299], x[2, 3]) = (.nan, -.infinity)
      let bad = quantizer.quantize(x, kernels: kernels)
      for alphabet in WeightAlphabet.allCases {
        let product = CodeProduct(tokens: 1, rows: 17, columns: columns, alphabet: alphabet)
        for scales in [.groups([0.3]), product.blockScales(64, exactHalves: true)] {
          for matrix in try product.matrices(scales) {
            let y = matrix.matmul(bad, bias: nil, kernels: kernels)
            let expected = matrix.matmul(good, bias: nil, kernels: kernels)
            for row in 0..<5 {
              let found = y.rows(row..<row + 1)
              if row == 0 || row == 2 {
                #expect(found.scalars.allSatisfy { $0.isNaN })
              } else {
                #expect(sameBits(found, expected.rows(row..<row + 1)))
              }
            }
            #expect(y.rows(3..<4) == .zeros([1, 17]))
          }
        }
      }
    }
  }

  /// Where a block is as long as the row, it is the token; the order of the factors differs.
  @Test func `one block is a token`() throws {
    let x = random([3, 32])
    let token = ActivationQuantizer().quantize(x)
    let block = ActivationQuantizer(granularity: .block(256)).quantize(x)
    #expect(block.codes == token.codes && block.scales == token.scales)
    let matrix = WeightQuantizer.ternary.quantize(random([7, 32])).packed()
    #expect(difference(matrix.matmul(block), matrix.matmul(token).doubles, relative: 1e-6) == nil)
  }
}
