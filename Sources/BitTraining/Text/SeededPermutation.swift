import BitCore

/// A random order of the numbers `0..<count`, of which any element can be computed by itself.
///
/// A Feistel network permutes the numbers of an even number of bits; those that are too large go
/// through it again until they are not, which leaves a permutation of the others. So an order of a
/// billion windows takes no memory, and continuing in the middle of it no time.
struct SeededPermutation: Sendable {
  /// The number of elements.
  let count: Int
  private let halfBits: UInt64
  private let keys: [UInt64]

  private static let rounds = 6

  /// The order that the next numbers of a generator give; `count` is at least 1.
  init(_ count: Int, using generator: inout SeededGenerator) {
    precondition(count > 0, "an order of \(count) elements")
    self.count = count
    let bits = Int.bitWidth - (count - 1).leadingZeroBitCount
    halfBits = UInt64(max(1, (bits + 1) / 2))
    keys = (0..<Self.rounds).map { _ in generator.next() }
  }

  /// The element at a place in `0..<count`.
  subscript(index: Int) -> Int {
    precondition(index >= 0 && index < count, "index \(index) of an order of \(count) elements")
    var value = UInt64(index)
    repeat { value = permute(value) } while value >= UInt64(count)
    return Int(value)
  }

  private func permute(_ value: UInt64) -> UInt64 {
    let mask: UInt64 = (1 << halfBits) - 1
    var (left, right) = (value >> halfBits, value & mask)
    for key in keys { (left, right) = (right, left ^ (Self.mix(right, key) & mask)) }
    return left << halfBits | right
  }

  /// The finalizer of SplitMix64 over a number and a key.
  private static func mix(_ value: UInt64, _ key: UInt64) -> UInt64 {
    var z = value &* 0x9e37_79b9_7f4a_7c15 &+ key
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
