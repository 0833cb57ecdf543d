/// Random numbers that are the same on every platform for the same seed.
///
/// The generator is xoshiro256** (Blackman and Vigna, 2018, <https://prng.di.unimi.it>), its state
/// filled by SplitMix64. ``state`` can be saved and restored to go on with the same numbers.
public struct SeededGenerator: RandomNumberGenerator, Sendable, Equatable {
  /// The four words that determine all numbers to come; never all zero.
  public private(set) var state: [UInt64]

  /// A generator whose numbers depend on `seed` and `stream` alone; each stream of a seed gives
  /// numbers of its own.
  public init(seed: UInt64, stream: UInt64 = 0) {
    var z = seed &+ stream &* 0xd134_2543_de82_ef95
    state = (0..<4).map { _ in
      z &+= 0x9e37_79b9_7f4a_7c15
      var word = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
      return word ^ (word >> 31)
    }
  }

  /// A generator that goes on from a saved ``state``; nil if that is not four words with a bit set.
  public init?(state: [UInt64]) {
    guard state.count == 4, state.contains(where: { $0 != 0 }) else { return nil }
    self.state = state
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    let product = state[1] &* 5
    let result = ((product << 7) | (product >> 57)) &* 9
    let shifted = state[1] << 17
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = (state[3] << 45) | (state[3] >> 19)
    return result
  }

  /// A number in [0, 1), a multiple of 2^-24.
  public mutating func nextUniform() -> Float {
    Float(next() >> 40) * 0x1p-24
  }

  /// A tensor of numbers drawn evenly from [-bound, bound).
  public mutating func uniform(_ shape: Shape, bound: Float) -> Tensor {
    Tensor.build(shape) { values in
      for i in 0..<shape.count { values[i] = (2 * nextUniform() - 1) * bound }
    }
  }

  /// A tensor of numbers from the normal distribution of mean 0 and the given standard deviation
  /// (Box-Muller, computed in Double).
  public mutating func normal(_ shape: Shape, standardDeviation: Float = 1) -> Tensor {
    Tensor.build(shape) { values in
      for i in 0..<shape.count {
        values[i] = Float(nextNormal()) * standardDeviation
      }
    }
  }

  /// The numbers 0..<count in random order (Fisher and Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) {
      // The high half of a 128-bit product is an even choice but for a bias below 2^-40.
      order.swapAt(i, Int(next().multipliedFullWidth(by: UInt64(i + 1)).high))
    }
    return order
  }
}
