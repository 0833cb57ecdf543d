import BitCore
import BitFiles

/// Reads the head of a GGUF file from front to back; nothing is read before it is known to be there.
struct GGUFCursor {
  private let bytes: UnsafeRawBufferPointer
  /// The end of the file, or of what its head may take.
  private let end: Int
  private let file: String
  /// What is being read, for errors: nothing, or "key ..." or "tensor ...".
  private var part: (kind: String, name: String)?
  private(set) var place = 0

  init(_ bytes: UnsafeRawBufferPointer, file: String) {
    self.bytes = bytes
    self.file = file
    end = min(bytes.count, GGUFLimits.headerBytes)
  }

  /// The bytes that are left.
  var remaining: Int { end - place }

  /// Says that `kind` `name` is read from here on.
  mutating func enter(_ kind: String, _ name: String) { part = (kind, name) }
  mutating func leave() { part = nil }

  func error(
    _ found: String, _ expected: String, kind: InputError.Kind = .malformed
  ) -> InputError {
    var source = file
    if let part { source += ", \(part.kind) \(ErrorText.quoted(part.name))" }
    return InputError(kind, source: source, found: found, expected: expected)
  }

  private func lacks(_ count: Int, of what: String) -> InputError {
    if end < bytes.count {
      return error(
        "a header of more than \(end) bytes", "at most \(GGUFLimits.headerBytes) before the data")
    }
    return error(
      "\(remaining) bytes from byte \(place) to the end of the file", "\(count) of \(what)")
  }

  // What is read is only put in words for an error: there are as many reads as tokens.
  @inline(__always)
  mutating func bytes(
    _ count: Int, _ what: @autoclosure () -> String
  ) throws(InputError) -> UnsafeRawBufferPointer {
    guard count <= remaining else { throw lacks(count, of: what()) }
    defer { place += count }
    return UnsafeRawBufferPointer(rebasing: bytes[place..<place + count])
  }

  @inline(__always)
  mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
    _ what: @autoclosure () -> String, _: Value.Type = Value.self
  ) throws(InputError) -> Value {
    let raw = try bytes(MemoryLayout<Value>.size, what())
    return Value(littleEndian: raw.loadUnaligned(as: Value.self))
  }

  /// A number that is stored in 8 bytes and may be `limit` at most.
  @inline(__always)
  mutating func count(
    _ what: @autoclosure () -> String, limit: Int
  ) throws(InputError) -> Int {
    let count = try integer("the number of \(what())", UInt64.self)
    guard count <= UInt64(limit) else { throw excess(count, of: what(), limit) }
    return Int(count)
  }

  private func excess(_ count: UInt64, of what: String, _ limit: Int) -> InputError {
    // A negative number was meant by whoever wrote one: say it so.
    let shown = count > UInt64(Int64.max) ? "\(Int64(bitPattern: count))" : "\(count)"
    return error("\(shown) \(what)", "at most \(limit)")
  }

  /// A string of 8 bytes of length and UTF-8.
  mutating func string(
    _ what: @autoclosure () -> String, limit: Int
  ) throws(InputError) -> String {
    String(decoding: try text(what(), limit: limit), as: UTF8.self)
  }

  /// The bytes of a string, which are UTF-8; nothing is allocated for them.
  mutating func text(
    _ what: @autoclosure () -> String, limit: Int
  ) throws(InputError) -> UnsafeRawBufferPointer {
    let length = try count("bytes of \(what())", limit: limit)
    let start = place
    let text = try bytes(length, what())
    guard UTF8Check.isValid(text) else {
      throw error("\(what()) at byte \(start) that is not UTF-8", "UTF-8")
    }
    return text
  }

  /// The error for an invalid boolean.
  func truthError(_ byte: UInt8) -> InputError { error("the truth value \(byte)", "0 or 1") }
}
