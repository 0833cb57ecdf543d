/// Byte strings one after the other, each found by its number: the tokens of a vocabulary by id.
///
/// One block of memory, because a vocabulary has a hundred thousand of them.
package struct TokenTable: Sendable, Equatable {
  /// The bytes of all strings.
  package private(set) var bytes: [UInt8] = []
  /// Where each string starts, and where the last one ends.
  private(set) var starts: [UInt32] = [0]

  /// The most bytes that all strings may have together.
  package static let byteLimit = 1 << 30

  /// A table without strings.
  package init() {}

  /// The bytes of strings, in their order.
  package init(_ strings: some Sequence<String>) {
    for string in strings { append(string.utf8) }
  }

  /// The number of strings.
  package var count: Int { starts.count - 1 }

  /// Adds a string at the end.
  package mutating func append(_ string: some Sequence<UInt8>) {
    bytes.append(contentsOf: string)
    endString()
  }

  /// Adds a string at the end, whose bytes `body` appends.
  mutating func append<E: Error>(
    _ body: (inout [UInt8]) throws(E) -> Void
  ) throws(E) {
    try body(&bytes)
    endString()
  }

  private mutating func endString() {
    precondition(bytes.count <= Int(UInt32.max), "\(bytes.count) bytes in a table of 4 GiB")
    starts.append(UInt32(bytes.count))
  }

  mutating func reserve(_ count: Int, bytes byteCount: Int) {
    starts.reserveCapacity(count + 1)
    bytes.reserveCapacity(byteCount)
  }

  /// Where the string of a number lies in ``bytes``.
  func range(_ index: Int) -> Range<Int> { Int(starts[index])..<Int(starts[index + 1]) }

  /// The bytes of a string; the number must be in `0..<count`.
  package subscript(index: Int) -> ArraySlice<UInt8> { bytes[range(index)] }

  /// The string of a number as text; what is no UTF-8 shows as U+FFFD.
  package func text(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

  /// Calls `body` with the bytes of a string.
  func withBytes<R, E: Error>(
    of index: Int, _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    let range = range(index)
    return try bytes.withUnsafeBufferPointer { (all) throws(E) in
      try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[range]))
    }
  }
}
