/// A token with its logit, after bias and penalties.
struct RankedLogit {
  var id: Int32
  var logit: Double

  /// Whether this one comes before another: a larger logit, or the same and a lower id.
  @inline(__always)
  func precedes(_ other: RankedLogit) -> Bool {
    logit > other.logit || (logit == other.logit && id < other.id)
  }

  /// The first `count` of the entries by rank, in this order.
  ///
  /// Time grows with entries * log(count) at most, and is little more than one comparison an entry
  /// for a small count.
  static func largest(_ count: Int, of entries: [RankedLogit]) -> [RankedLogit] {
    guard count < entries.count else { return entries.sorted { $0.precedes($1) } }
    guard count > 0 else { return [] }
    // A heap whose root is the last by rank.
    var heap = Array(entries[..<count])
    for root in stride(from: count / 2 - 1, through: 0, by: -1) { siftDown(&heap, root) }
    for entry in entries[count...] where entry.precedes(heap[0]) {
      heap[0] = entry
      siftDown(&heap, 0)
    }
    return heap.sorted { $0.precedes($1) }
  }

  /// The first `count` of all tokens by rank, in this order; the logits by id.
  static func largest(_ count: Int, of logits: [Float]) -> [RankedLogit] {
    var heap = logits.prefix(count).enumerated().map {
      RankedLogit(id: Int32($0), logit: Double($1))
    }
    for root in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(&heap, root) }
    guard heap.count < logits.count, var last = heap.first.map({ Float($0.logit) }) else {
      return heap.sorted { $0.precedes($1) }
    }
    // Of equal logits the first stays, whose id is lower.
    for id in heap.count..<logits.count where logits[id] > last {
      heap[0] = RankedLogit(id: Int32(id), logit: Double(logits[id]))
      siftDown(&heap, 0)
      last = Float(heap[0].logit)
    }
    return heap.sorted { $0.precedes($1) }
  }

  private static func siftDown(_ heap: inout [RankedLogit], _ start: Int) {
    var parent = start
    let moving = heap[start]
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child].precedes(heap[child + 1]) { child += 1 }
      guard moving.precedes(heap[child]) else { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = moving
  }
}
