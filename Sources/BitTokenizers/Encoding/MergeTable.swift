/// Finds the merge of two tokens: a hash table with open addressing.
struct MergeTable: Sendable {
  /// A pair with what it becomes; `left` is -1 where there is none.
  private struct Slot: BitwiseCopyable {
    var left: Int32
    var right: Int32
    var rank: UInt32
    var result: Int32
  }

  /// The rank of pairs that do not merge.
  static let none = UInt32.max

  private let slots: Memory<Slot>

  /// A table of merges with their ranks, of which the lowest goes first. Of equal pairs the first
  /// counts.
  init(_ merges: [Merge], rank: (Int) -> UInt32) {
    var capacity = 16
    while capacity < merges.count * 2 { capacity *= 2 }
    slots = Memory(
      repeating: Slot(left: -1, right: -1, rank: Self.none, result: -1), count: capacity)
    for (index, merge) in merges.enumerated() {
      let slot = locate(merge.left, merge.right)
      guard slots.base[slot].left < 0 else { continue }
      slots.base[slot] = Slot(
        left: merge.left, right: merge.right, rank: rank(index), result: merge.result)
    }
  }

  /// The rank of a pair and the token that it becomes; ``none`` if the two do not merge.
  @inline(__always)
  func find(_ left: Int32, _ right: Int32) -> (rank: UInt32, result: Int32) {
    let slot = slots.base[locate(left, right)]
    return (slot.rank, slot.result)
  }

  @inline(__always)
  private func locate(_ left: Int32, _ right: Int32) -> Int {
    let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    let product = key &* 0x9e37_79b9_7f4a_7c15
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: product >> 32) & mask
    while true {
      let found = slots.base[slot]
      if found.left == left && found.right == right || found.left < 0 { return slot }
      slot = (slot + 1) & mask
    }
  }
}
