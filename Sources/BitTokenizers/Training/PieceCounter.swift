import BitCore
import BitFiles

/// Counts how often each piece of text occurs: a hash table with open addressing that grows.
struct PieceCounter: Sendable {
  /// The different pieces, in the order in which they first occur.
  private(set) var pieces = TokenTable()
  /// How often each of them occurs.
  private(set) var counts: [Int] = []
  /// The number of a piece plus one; zero where there is nothing.
  private var slots = [UInt32](repeating: 0, count: 1 << 12)

  /// Counts a piece, which is not empty.
  ///
  /// - Throws: `InputError` of kind `.unsupported` if the different pieces have more bytes together
  ///   than a table holds.
  mutating func add(_ piece: UnsafeRawBufferPointer) throws(InputError) {
    let slot = slot(of: piece)
    if slots[slot] > 0 {
      counts[Int(slots[slot]) - 1] += 1
      return
    }
    guard pieces.bytes.count + piece.count <= TokenTable.byteLimit else {
      throw InputError(
        .unsupported, source: "text for a vocabulary",
        found: "more than \(TokenTable.byteLimit) bytes of different words",
        expected: "at most that many")
    }
    pieces.append(piece)
    counts.append(1)
    slots[slot] = UInt32(counts.count)
    if counts.count * 2 > slots.count { grow() }
  }

  /// Where a piece is, or where it would be.
  private func slot(of piece: UnsafeRawBufferPointer) -> Int {
    var slot = Int(truncatingIfNeeded: TokenIndex.hash(piece)) & (slots.count - 1)
    while slots[slot] > 0 {
      let isSame = pieces.withBytes(of: Int(slots[slot]) - 1) { FileSystem.areEqual($0, piece) }
      if isSame { break }
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  private mutating func grow() {
    slots = Array(repeating: 0, count: slots.count * 2)
    for number in 0..<counts.count {
      slots[pieces.withBytes(of: number) { slot(of: $0) }] = UInt32(number + 1)
    }
  }
}
