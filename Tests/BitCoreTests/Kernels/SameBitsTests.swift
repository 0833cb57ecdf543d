import Testing

@testable import BitCore

/// Results do not depend on threads, kernels, the format or the rest of a batch.
@Suite struct SameBitsTests {
  @Test(
    arguments: [(1, 200, 784), (40, 8, 300), (33, 70, 300), (128, 25, 64), (3, 1000, 100)],
    WeightAlphabet.allCases)
  func `for any number of threads`(size: (Int, Int, Int), alphabet: WeightAlphabet) throws {
    let (tokens, rows, columns) = size
    for bits in [8, 12] {
      let product = CodeProduct(
        tokens: tokens, rows: rows, columns: columns, alphabet: alphabet,
        quantizer: ActivationQuantizer(bits: bits))
      let x = product.activations(tokens: tokens)
      for scales in [.groups([0.3]), product.blockScales(128, exactHalves: false)] {
        for matrix in try product.matrices(scales) {
          let results = [1, 2, 3, 8].map { threads in
            matrix.matmul(
              x, bias: product.bias, kernels: .active, pool: ThreadPool(threads: threads))
          }
          for y in results { #expect(sameBits(y, results[0])) }
        }
      }
    }
  }

  /// Few tokens and many take different paths; the limit depends on the kernels.
  @Test(arguments: CPU.usableKernelNames, WeightAlphabet.allCases)
  func `for a token alone or in a batch of 2 to 40`(
    name: String, alphabet: WeightAlphabet
  ) throws {
    let kernels = try #require(KernelSet(named: name))
    let quantizer = ActivationQuantizer()
    let product = CodeProduct(tokens: 1, rows: 70, columns: 150, alphabet: alphabet)
    let tokens = random([40, 150], seed: 4)
    for scales in [.groups([0.3]), product.blockScales(64, exactHalves: true)] {
      for matrix in try product.matrices(scales) {
        func output(_ range: Range<Int>) -> Tensor {
          matrix.matmul(
            quantizer.quantize(tokens.rows(range)), bias: product.bias, kernels: kernels,
            pool: .shared)
        }
        let alone = Tensor((0..<40).flatMap { output($0..<$0 + 1).scalars }, shape: [40, 70])
        for count in 2...40 {
          // The first tokens, or the last ones.
          let range = count % 2 == 0 ? 0..<count : 40 - count..<40
          #expect(sameBits(output(range), alone.rows(range)))
        }
      }
    }
  }

  @Test(arguments: [8, 12], WeightAlphabet.allCases)
  func `for a token alone or in a batch of a layer`(bits: Int, alphabet: WeightAlphabet) {
    let quantization = QuantizationRecipe(
      weights: alphabet, activations: ActivationQuantizer(bits: bits), normalization: .layer())
    let weight = random([70, 300])
    let x = random([140, 300], seed: 4)
    let norm = quantization.normalization ?? .layer()
    let batch = output(norm(x), weight, quantization)
    for token in [0, 1, 3, 4, 63, 127, 128, 139] {
      let alone = output(norm(x.rows(token..<token + 1)), weight, quantization)
      #expect(sameBits(alone, batch.rows(token..<token + 1)))
    }
  }

  @Test(arguments: [1, 4, 5, 40], [8, 12])
  func `for every format that holds the codes`(tokens: Int, bits: Int) throws {
    let quantizer = ActivationQuantizer(bits: bits)
    let weight = random([130, 333])
    let x = quantizer.quantize(random([tokens, 333], seed: 4))
    for alphabet in WeightAlphabet.allCases {
      let formats = PackedFormat.allCases.filter { $0.alphabet == alphabet }
      let unpacked = WeightQuantizer(alphabet).quantize(weight, groups: 2)
      #expect(unpacked.format == nil)
      for format in formats {
        let packed = unpacked.packed(as: format)
        #expect(packed.format == format)
        #expect(sameBits(packed.matmul(x), unpacked.matmul(x)))
      }
      for length in WeightScales.blockLengths {
        let matrices = formats.map {
          WeightQuantizer(alphabet).quantize(weight, blockColumns: length, format: $0)
        }
        #expect(matrices.map(\.format) == formats)
        for matrix in matrices {
          #expect(sameBits(matrix.matmul(x), matrices[0].matmul(x)))
        }
      }
    }
  }

  @Test(arguments: CPU.usableKernelNames)
  func `for every set of kernels, from floats to floats`(name: String) throws {
    let kernels = try #require(KernelSet(named: name))
    let scalar = try #require(KernelSet(named: "scalar"))
    let (x, weight) = (random([7, 130]), random([21, 130], seed: 4))
    for format in [nil] + PackedFormat.allCases {
      for alphabet in WeightAlphabet.allCases where format?.alphabet ?? alphabet == alphabet {
        for bits in [4, 8, 12] {
          let results = [kernels, scalar].map { kernels in
            let statistics = WeightQuantizer(alphabet).statistics(
              of: weight, groups: 3, kernels: kernels)
            let matrix = WeightQuantizer(alphabet).quantize(
              weight, statistics: statistics, format: format, kernels: kernels)
            let quantized = ActivationQuantizer(bits: bits).quantize(x, kernels: kernels)
            return matrix.matmul(quantized, bias: nil, kernels: kernels, pool: .shared)
          }
          #expect(sameBits(results[0], results[1]))
        }
      }
    }
  }
}
