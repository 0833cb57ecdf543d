/// The tokens of pieces seen before: words repeat, so that most need no merging.
///
/// Each piece has one place, where the last piece with that hash is. Pieces of more than 15 bytes or
/// 4 tokens are not kept.
struct PieceCache {
  private struct Entry: BitwiseCopyable {
    var key: (UInt64, UInt64) = (0, 0)
    var ids: (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
    var count: Int32 = 0
  }

  /// A piece as two numbers, its length in the last byte.
  typealias Key = (UInt64, UInt64)

  private let entries: Memory<Entry>

  init() { entries = Memory(repeating: Entry(), count: 1 << 15) }

  /// The key of a piece of 1 to 15 bytes; `readable` bytes may be read from its start.
  @inline(__always)
  static func key(_ piece: UnsafeRawPointer, _ count: Int, readable: Int) -> Key {
    var (low, high): Key = (0, 0)
    if readable >= 16 {
      low = piece.loadUnaligned(as: UInt64.self)
      high = piece.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
      if count < 8 {
        low &= (1 << UInt64(count * 8)) &- 1
        high = 0
      } else {
        high &= (1 << UInt64((count - 8) * 8)) &- 1
      }
    } else {
      for place in 0..<count {
        let byte = UInt64(piece.load(fromByteOffset: place, as: UInt8.self))
        if place < 8 {
          low |= byte << UInt64(place * 8)
        } else {
          high |= byte << UInt64((place - 8) * 8)
        }
      }
    }
    return (low, high | UInt64(count) << 56)
  }

  @inline(__always)
  private func place(_ key: Key) -> Int {
    let (high, low) = (key.0 ^ (key.1 &* 0x9e37_79b9_7f4a_7c15))
      .multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
    return Int(truncatingIfNeeded: high ^ low) & (entries.count - 1)
  }

  /// Appends the tokens of a piece, or returns false if they are not known.
  @inline(__always)
  func append(_ key: Key, to ids: inout [Int32]) -> Bool {
    let entry = entries.base[place(key)]
    guard entry.key.0 == key.0, entry.key.1 == key.1 else { return false }
    ids.append(entry.ids.0)
    if entry.count > 1 { ids.append(entry.ids.1) }
    if entry.count > 2 { ids.append(entry.ids.2) }
    if entry.count > 3 { ids.append(entry.ids.3) }
    return true
  }

  /// Keeps the tokens of a piece.
  func insert(_ key: Key, _ ids: ArraySlice<Int32>) {
    guard (1...4).contains(ids.count) else { return }
    func id(_ index: Int) -> Int32 { index < ids.count ? ids[ids.startIndex + index] : 0 }
    entries.base[place(key)] = Entry(
      key: key, ids: (id(0), id(1), id(2), id(3)), count: Int32(ids.count))
  }
}
