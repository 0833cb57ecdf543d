/// Random numbers that are the same on every platform for the same seed.
///
/// The generator is xoshiro256** (Blackman and Vigna, 2018, <https://prng.di.unimi.it>), its state
/// filled by SplitMix64. Its ``state`` can be saved, and restored to continue with the same numbers.
public struct SeededGenerator: RandomNumberGenerator, Sendable, Equatable {
  // Never all zero.
  private var words: SIMD4<UInt64>

  /// A generator whose numbers depend on `seed` and `stream` alone. Streams of the same seed give
  /// different numbers.
  public init(seed: UInt64, stream: UInt64 = 0) {
    var z = seed &+ stream &* 0xd134_2543_de82_ef95
    words = .zero
    for i in 0..<4 {
      z &+= 0x9e37_79b9_7f4a_7c15
      var word = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
      words[i] = word ^ (word >> 31)
    }
  }

  /// The four words that determine all numbers to come.
  public var state: [UInt64] { words.indices.map { words[$0] } }

  /// A generator that continues from a saved ``state``; nil if that is not four words of which one
  /// is not zero.
  public init?(state: [UInt64]) {
    guard state.count == 4, state.contains(where: { $0 != 0 }) else { return nil }
    words = SIMD4(state)
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    let product = words[1] &* 5
    let result = ((product << 7) | (product >> 57)) &* 9
    let shifted = words[1] << 17
    words[2] ^= words[0]
    words[3] ^= words[1]
    words[1] ^= words[2]
    words[0] ^= words[3]
    words[2] ^= shifted
    words[3] = (words[3] << 45) | (words[3] >> 19)
    return result
  }

  /// A number in [0, 1), a multiple of 2^-24.
  public mutating func nextUniform() -> Float {
    Float(next() >> 40) * 0x1p-24
  }

  /// A tensor of numbers drawn evenly from [-bound, bound).
  public mutating func uniform(_ shape: Shape, bound: Float) -> Tensor {
    Tensor.build(shape) { values in
      for i in 0..<shape.scalarCount { values[i] = (2 * nextUniform() - 1) * bound }
    }
  }

  /// A tensor of numbers from the normal distribution with mean 0 and the given standard deviation
  /// (Box-Muller, computed in Double).
  public mutating func normal(_ shape: Shape, standardDeviation: Float = 1) -> Tensor {
    Tensor.build(shape) { values in
      for i in 0..<shape.scalarCount {
        let normal = boxMuller(Double(nextUniform()), Double(nextUniform()))
        values[i] = Float(normal) * standardDeviation
      }
    }
  }

  /// The numbers 0..<count in random order (Fisher and Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) {
      // The high half of a 128-bit product is an even choice, except for a bias below 2^-40.
      order.swapAt(i, Int(next().multipliedFullWidth(by: UInt64(i + 1)).high))
    }
    return order
  }
}
