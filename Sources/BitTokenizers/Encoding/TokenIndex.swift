/// Finds the number of a string of a ``TokenTable``: a hash table with open addressing.
struct TokenIndex: Sendable {
  private let table: TokenTable
  /// The upper half of a string's hash and its number plus one; zero where there is nothing.
  private let slots: Memory<UInt64>

  /// An index of the strings of a table for which `isMember` holds and which are not empty.
  ///
  /// - Parameter onDuplicate: gets the numbers of two equal strings; only the first is found.
  init<E: Error>(
    _ table: TokenTable, isMember: (Int) -> Bool = { _ in true },
    onDuplicate: (_ first: Int, _ second: Int) throws(E) -> Void
  ) throws(E) {
    self.table = table
    var capacity = 16
    while capacity < table.count * 2 { capacity *= 2 }
    slots = Memory(repeating: 0, count: capacity)
    for index in 0..<table.count where isMember(index) {
      let first = table.withBytes(of: index) { bytes -> Int? in
        guard bytes.count > 0 else { return nil }
        let hash = Self.hash(bytes)
        let (slot, found) = locate(bytes, hash)
        if found == nil { slots.base[slot] = (hash >> 32) << 32 | UInt64(index + 1) }
        return found
      }
      if let first { try onDuplicate(first, index) }
    }
  }

  /// The number of a string, or nil.
  func find(_ string: UnsafeRawBufferPointer) -> Int? {
    guard string.count > 0 else { return nil }
    return locate(string, Self.hash(string)).found
  }

  /// The number of a string, or nil.
  func find(_ string: some Collection<UInt8>) -> Int? {
    Array(string).withUnsafeBytes { find($0) }
  }

  /// Whether a string has this number, which may be beyond the last.
  func isString(_ string: [UInt8], _ number: Int) -> Bool {
    guard number < table.count else { return false }
    return table.withBytes(of: number) { bytes in
      string.withUnsafeBytes { bytes.count == $0.count && Self.areSame(bytes, $0) }
    }
  }

  /// The hash of a string, for ``firstGuess(_:)`` and ``find(_:hash:guess:)``.
  static func hash(_ bytes: [UInt8], _ range: Range<Int>) -> UInt64 {
    bytes.withUnsafeBytes { hash(UnsafeRawBufferPointer(rebasing: $0[range])) }
  }

  /// The number that a string of this hash has in most cases, or -1 if there is none with it.
  ///
  /// Looking up many strings takes the time of waiting for memory. Asking first for all guesses, then
  /// for all numbers, lets the processor wait for several at once.
  func firstGuess(_ hash: UInt64) -> Int32 {
    let entry = slots.base[Int(truncatingIfNeeded: hash) & (slots.count - 1)]
    if entry == 0 { return -1 }
    return Int32(truncatingIfNeeded: entry & 0xffff_ffff) - 1
  }

  /// The number of a string, or -1.
  func find(_ bytes: [UInt8], _ range: Range<Int>, hash: UInt64, guess: Int32) -> Int32 {
    if guess < 0 { return -1 }
    return bytes.withUnsafeBytes { bytes in
      let string = UnsafeRawBufferPointer(rebasing: bytes[range])
      let isGuess = table.withBytes(of: Int(guess)) {
        $0.count == string.count && Self.areSame($0, string)
      }
      return isGuess ? guess : Int32(locate(string, hash).found ?? -1)
    }
  }

  private func locate(
    _ string: UnsafeRawBufferPointer, _ hash: UInt64
  ) -> (slot: Int, found: Int?) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while true {
      let entry = slots.base[slot]
      if entry == 0 { return (slot, nil) }
      if entry >> 32 == hash >> 32 {
        let index = Int(entry & 0xffff_ffff) - 1
        let isSame = table.withBytes(of: index) { bytes in
          bytes.count == string.count && Self.areSame(bytes, string)
        }
        if isSame { return (slot, index) }
      }
      slot = (slot + 1) & mask
    }
  }

  /// Whether strings of the same length have the same bytes.
  private static func areSame(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    var place = 0
    while place + 8 <= a.count {
      let first = a.loadUnaligned(fromByteOffset: place, as: UInt64.self)
      if first != b.loadUnaligned(fromByteOffset: place, as: UInt64.self) { return false }
      place += 8
    }
    while place < a.count {
      if a[place] != b[place] { return false }
      place += 1
    }
    return true
  }

  /// Mixes eight bytes at a time by multiplying to 128 bits, as wyhash and its kin do.
  static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bytes.count)
    var place = 0
    while place + 8 <= bytes.count {
      state = mix(state ^ bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
      place += 8
    }
    var rest: UInt64 = 0
    while place < bytes.count {
      rest = rest << 8 | UInt64(bytes[place])
      place += 1
    }
    return mix(state ^ rest)
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    let (high, low) = value.multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
    return high ^ low
  }
}
