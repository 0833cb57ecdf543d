import Testing

@testable import BitCore

/// The product of codes, for every set of kernels, every format and every kind of scales, against a
/// plain loop over integers, bit for bit. Tests/KernelDriver tests more shapes.
@Suite struct MultiplyTests {
  static let tokenCounts = Array(1...9) + [16, 33]
  static let columnCounts = Array(1...65) + [127, 128, 129, 255, 256, 257, 300, 784]

  /// The numbers of rows and tokens change with the columns, so that all of them are tested.
  @Test(arguments: columnCounts, WeightAlphabet.allCases)
  func `random codes`(columns: Int, alphabet: WeightAlphabet) throws {
    let product = CodeProduct(
      tokens: 33, rows: 1 + columns * 37 % 70, columns: columns, alphabet: alphabet)
    let counts = Self.tokenCounts.enumerated().filter { $0.offset % 3 == columns % 3 }
    for scales in product.scales {
      #expect(try product.firstDifference(scales, tokens: counts.map(\.element)) == nil)
    }
  }

  @Test(arguments: 1...70)
  func `every number of rows`(rows: Int) throws {
    for alphabet in WeightAlphabet.allCases {
      let product = CodeProduct(tokens: 5, rows: rows, columns: 70, alphabet: alphabet)
      for scales in [.groups([0.3]), product.blockScales(64, exactHalves: true)] {
        #expect(try product.firstDifference(scales, tokens: [1, 5]) == nil)
      }
    }
  }

  @Test(
    arguments: [(2560, 70), (70, 2560), (17, 6912)], WeightAlphabet.allCases)
  func `long rows and many of them`(size: (Int, Int), alphabet: WeightAlphabet) throws {
    let product = CodeProduct(tokens: 6, rows: size.0, columns: size.1, alphabet: alphabet)
    for scales in product.scales {
      #expect(try product.firstDifference(scales, tokens: [1, 2, 6]) == nil)
    }
  }

  @Test(arguments: WeightAlphabet.allCases)
  func `the size of a layer of a language model`(alphabet: WeightAlphabet) throws {
    let product = CodeProduct(tokens: 2, rows: 2560, columns: 2560, alphabet: alphabet)
    let scales = product.blockScales(128, exactHalves: true)
    #expect(try product.firstDifference(scales, tokens: [1, 2], kernels: [CPU.kernelName]) == nil)
  }

  @Test(arguments: [1, 64, 256, 257, 520, 2560, 6912], [127, -127, -128])
  func `extreme codes do not overflow`(columns: Int, activation: Int) throws {
    let (rows, tokens) = columns > 1000 ? (5, 5) : (17, 13)
    let quantizer = ActivationQuantizer(range: activation == -128 ? .full : .symmetric)
    let x = Tensor(repeating: activation > 0 ? 1 : -1, shape: [tokens, columns])
    #expect(quantizer.quantize(x).codes.allSatisfy { $0 == activation })
    for alphabet in WeightAlphabet.allCases {
      for code in alphabet == .sign ? [1, -1] : [1, 0, -1] as [Int8] {
        let product = CodeProduct(
          codes: [Int8](repeating: code, count: rows * columns), rows: rows, x: x,
          alphabet: alphabet, quantizer: quantizer)
        for scales in [
          .groups([1]), product.blockScales(64, exactHalves: false),
          product.blockScales(256, exactHalves: true),
        ] {
          #expect(try product.firstDifference(scales, tokens: [1, 3, tokens]) == nil)
        }
        // The loop itself, once by hand.
        #expect(
          product.expected(.groups([1]), hasBias: false)[0]
            == Float(Int(code) * activation * columns) * (1 / quantizer.quantize(x).scales[0]))
      }
    }
  }

  @Test(arguments: [1, 2, 3, 4, 6, 8, 12, 24], WeightAlphabet.allCases)
  func `groups of rows`(groups: Int, alphabet: WeightAlphabet) throws {
    let product = CodeProduct(tokens: 5, rows: 24, columns: 50, alphabet: alphabet)
    let scales = (0..<groups).map { Float($0 + 1) / 7 }
    #expect(try product.firstDifference(.groups(scales), tokens: [1, 5]) == nil)
    // The scale of every row, by hand.
    let matrix = try #require(try product.matrices(.groups(scales)).first)
    for row in 0..<24 {
      let value = Float(product.codes[row * 50]) * scales[row * groups / 24]
      #expect(matrix.values[row, 0] == value)
    }
  }

  @Test(arguments: WeightAlphabet.allCases, 9...16)
  func `wide activations`(alphabet: WeightAlphabet, bits: Int) throws {
    for (columns, rows) in [(1, 3), (31, 11), (65, 66), (257, 17), (300, 5)] {
      for range in [ActivationQuantizer.CodeRange.symmetric, .full] {
        let product = CodeProduct(
          tokens: 3, rows: rows, columns: columns, alphabet: alphabet,
          quantizer: ActivationQuantizer(bits: bits, range: range))
        for scales in product.scales {
          #expect(try product.firstDifference(scales, tokens: [1, 3]) == nil)
        }
      }
    }
  }

  /// All sums of a row at once: 2560 * 32768 takes more than the 24 bits of a float.
  @Test(arguments: WeightAlphabet.allCases)
  func `extreme wide activations`(alphabet: WeightAlphabet) throws {
    let product = CodeProduct(
      codes: [Int8](repeating: -1, count: 3 * 2561), rows: 3,
      x: Tensor(repeating: -1, shape: [2, 2561]), alphabet: alphabet,
      quantizer: ActivationQuantizer(bits: 16, range: .full))
    #expect(product.activations(tokens: 2).codes.allSatisfy { $0 == -32768 })
    for scales in product.scales {
      #expect(try product.firstDifference(scales, tokens: [1, 2]) == nil)
    }
  }

  @Test(arguments: WeightScales.blockLengths)
  func `scales are kept as half precision floats where those are exact`(length: Int) throws {
    let product = CodeProduct(tokens: 1, rows: 66, columns: 300, alphabet: .ternary)
    for isExact in [true, false] {
      let scales = product.blockScales(length, exactHalves: isExact)
      for matrix in try product.matrices(scales) {
        #expect((matrix.kernelScales.halves != nil) == isExact)
        #expect((matrix.kernelScales.floats == nil) == isExact)
        #expect(matrix.scales == scales)
      }
    }
  }
}
