import Testing

@testable import BitCore

/// Results do not depend on threads, on kernels or on what else is in a batch.
@Suite struct SameBitsTests {
  @Test(
    arguments: [(1, 200, 784), (40, 8, 300), (33, 70, 300), (128, 25, 64), (3, 1000, 100)],
    WeightQuantizer.allCases)
  func `for any number of threads`(size: (Int, Int, Int), alphabet: WeightQuantizer) {
    let (tokens, rows, columns) = size
    let matrix = alphabet.quantize(random([rows, columns]))
    let bias = random([rows], seed: 4)
    for bits in [8, 12] {
      let x = ActivationQuantizer(bits: bits).quantize(random([tokens, columns], seed: 5))
      for stored in [matrix, matrix.packed()] {
        let expected = stored.multiply(
          x, bias: bias, kernels: .active, pool: ThreadPool(threads: 1))
        for threads in [2, 3, 8] {
          let y = stored.multiply(
            x, bias: bias, kernels: .active, pool: ThreadPool(threads: threads))
          #expect(sameBits(y, expected))
        }
      }
    }
  }

  @Test(arguments: [8, 12], WeightQuantizer.allCases)
  func `for a token alone or in a batch`(bits: Int, alphabet: WeightQuantizer) {
    let quantization = BitQuantization(
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

  @Test(arguments: CPU.usableKernelNames)
  func `for every set of kernels, from floats to floats`(name: String) throws {
    let kernels = try #require(Kernels(named: name))
    let scalar = try #require(Kernels(named: "scalar"))
    let (x, weight) = (random([7, 130]), random([21, 130], seed: 4))
    for alphabet in WeightQuantizer.allCases {
      for bits in [4, 8, 12] {
        let results = [kernels, scalar].map { kernels in
          let statistics = alphabet.statistics(of: weight, groups: 3, kernels: kernels)
          let matrix = alphabet.quantize(weight, statistics: statistics, kernels: kernels)
          let quantized = ActivationQuantizer(bits: bits).quantize(x, kernels: kernels)
          return matrix.multiply(quantized, bias: nil, kernels: kernels, pool: .shared)
        }
        #expect(sameBits(results[0], results[1]))
      }
    }
  }
}
