import BitCore
import BitFiles
internal import CZlib

/// Inflates gzip files (RFC 1952) that are wholly in memory.
enum Gzip {
  /// Whether `bytes` begin as a gzip file does, with 0x1f 0x8b.
  static func isGzip(_ bytes: [UInt8]) -> Bool {
    bytes.starts(with: [0x1f, 0x8b])
  }

  /// The content of the gzip file `bytes`, all members one after the other.
  ///
  /// Memory grows with the data that really comes out, whatever the file claims.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - maximumBytes: the most bytes that may come out.
  ///   - source: the file's name, for errors.
  /// - Throws: ``InputError`` for bytes that are not gzip, a cut stream, a wrong checksum, other
  ///   damage, bytes after the last member, or content larger than `maximumBytes`.
  static func inflate(
    _ bytes: [UInt8], maximumBytes: Int, source: String
  ) throws(InputError) -> [UInt8] {
    let content = try inflate(bytes, stoppingPast: maximumBytes, source: source)
    guard content.count <= maximumBytes else {
      throw InputError(
        .unsupported, source: source, found: "gzip content of more than \(maximumBytes) bytes",
        expected: "at most \(maximumBytes) bytes")
    }
    return content
  }

  /// The first `count` bytes of the content, or all of it if there are fewer. Damage behind them
  /// is not noticed.
  static func prefix(
    _ bytes: [UInt8], count: Int, source: String
  ) throws(InputError) -> [UInt8] {
    Array(try inflate(bytes, stoppingPast: count, source: source).prefix(count))
  }

  /// The whole content, or its first `limit` + 1 bytes if it is larger than `limit`.
  private static func inflate(
    _ bytes: [UInt8], stoppingPast limit: Int, source: String
  ) throws(InputError) -> [UInt8] {
    guard isGzip(bytes) else {
      let found =
        bytes.count < 2
        ? "\(bytes.count) bytes" : "magic number 0x\(ErrorText.hex(bytes.prefix(2)))"
      throw InputError(
        .malformed, source: source, found: found, expected: "the gzip magic number 0x1f8b")
    }
    return try bytes.withUnsafeBufferPointer { input throws(InputError) in
      let inflater = try Inflater(input, source: source)
      return try inflater.run(stoppingPast: limit)
    }
  }
}

/// zlib's inflation of one file. A class, because zlib wants its state at a fixed address.
private final class Inflater {
  private let stream: UnsafeMutablePointer<z_stream>
  private let input: UnsafeBufferPointer<UInt8>
  private let source: String
  private var position = 0

  /// The caller keeps `input` valid for as long as this object is used.
  init(_ input: UnsafeBufferPointer<UInt8>, source: String) throws(InputError) {
    self.input = input
    self.source = source
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 is the largest window, 16 selects the gzip wrapper.
    let status = inflateInit2_(
      stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw damage(status) }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  func run(stoppingPast limit: Int) throws(InputError) -> [UInt8] {
    // A chunk that stays in the second-level cache; the array grows by doubling.
    let chunk = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 17)
    defer { chunk.deallocate() }
    var content: [UInt8] = []
    while content.count <= limit {
      let room = limit - content.count
      let capacity = room >= chunk.count ? chunk.count : room + 1
      let (written, atEnd) = try step(into: chunk, capacity: capacity)
      content.append(contentsOf: UnsafeBufferPointer(rebasing: chunk[..<written]))
      if atEnd {
        if position == input.count { return content }
        try beginNextMember()
      }
    }
    return content
  }

  /// Inflates up to `capacity` bytes; `atEnd` says that a member ended and its checksum held.
  private func step(
    into chunk: UnsafeMutableBufferPointer<UInt8>, capacity: Int
  ) throws(InputError) -> (written: Int, atEnd: Bool) {
    // zlib counts in 32 bits, so it gets no more than a gibibyte at once.
    let available = min(input.count - position, 1 << 30)
    stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress.map { $0 + position })
    stream.pointee.avail_in = UInt32(available)
    stream.pointee.next_out = chunk.baseAddress
    stream.pointee.avail_out = UInt32(capacity)
    let status = CZlib.inflate(stream, Z_NO_FLUSH)
    let consumed = available - Int(stream.pointee.avail_in)
    let written = capacity - Int(stream.pointee.avail_out)
    position += consumed

    if status == Z_STREAM_END { return (written, true) }
    guard status == Z_OK || status == Z_BUF_ERROR else { throw damage(status) }
    if written == 0 && consumed == 0 || written < capacity && position == input.count {
      throw InputError(
        .malformed, source: source, found: "a gzip stream cut after \(input.count) bytes",
        expected: "its end")
    }
    return (written, false)
  }

  private func beginNextMember() throws(InputError) {
    let rest = input[position...]
    guard rest.starts(with: [0x1f, 0x8b]) else {
      throw InputError(
        .malformed, source: source, found: "\(rest.count) bytes after the end of the gzip stream",
        expected: "none")
    }
    let status = inflateReset(stream)
    guard status == Z_OK else { throw damage(status) }
  }

  private func damage(_ status: Int32) -> InputError {
    if status == Z_MEM_ERROR {
      return InputError(
        .inputOutput, source: source, found: "no memory to inflate it", expected: "enough memory")
    }
    let reason = stream.pointee.msg.map { String(cString: $0) } ?? "zlib status \(status)"
    if reason == "incorrect data check" {
      return InputError(
        .malformed, source: source, found: "gzip content that does not match its CRC-32",
        expected: "an undamaged file")
    }
    return InputError(
      .malformed, source: source, found: "damaged gzip data (\(reason))",
      expected: "an undamaged file")
  }
}
