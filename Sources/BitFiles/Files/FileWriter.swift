import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A buffer in front of an open file descriptor.
///
/// Bytes collect in memory and go out in large pieces. The writer does not own the descriptor:
/// whoever opened it calls ``flush()`` at the end and closes it. What is not flushed is lost.
package struct FileWriter: ~Copyable, Sendable {
  private let descriptor: Int32
  package let source: String
  private let capacity: Int
  private var buffer: [UInt8] = []
  /// Bytes that went out since the device was last told to begin.
  private var sent = 0

  /// A long file goes to the device while it is being made, not all at the end.
  private static let writebackBytes = 32 << 20

  /// Is told how many bytes of how many are written, whenever some go out; what it throws ends it.
  package typealias Progress = @Sendable (_ done: Int, _ total: Int) throws(InputError) -> Void
  private var progress: Progress?
  private var total = 0

  /// The number of bytes given to the writer so far, flushed or not.
  package private(set) var count = 0

  /// A writer to a descriptor that is open for writing.
  ///
  /// - Parameters:
  ///   - descriptor: an open file descriptor, which stays the caller's.
  ///   - source: the name for errors, a path as a rule.
  ///   - bufferSize: the number of bytes to collect before a write; at least 1.
  package init(descriptor: Int32, source: String, bufferSize: Int = 1 << 20) {
    self.descriptor = descriptor
    self.source = source
    capacity = max(bufferSize, 1)
  }

  /// From now on, tells `progress` how many of `total` bytes are written.
  package mutating func report(to progress: Progress?, total: Int) {
    (self.progress, self.total) = (progress, total)
  }

  /// Writes bytes.
  ///
  /// - Throws: ``InputError`` of kind `.inputOutput` with the system's words for the trouble, such
  ///   as "No space left on device".
  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
    if buffer.count + bytes.count > capacity { try flush() }
    if bytes.count >= capacity {
      try send(bytes)
      try progress?(count + bytes.count, total)
    } else {
      if buffer.isEmpty { buffer.reserveCapacity(capacity) }
      buffer.append(contentsOf: bytes)
    }
    count += bytes.count
  }

  /// Writes bytes; throws as ``write(_:)-(UnsafeRawBufferPointer)`` does.
  package mutating func write(_ bytes: [UInt8]) throws(InputError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(InputError) in
      try write(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Writes text in UTF-8; throws as ``write(_:)-(UnsafeRawBufferPointer)`` does.
  package mutating func write(_ text: String) throws(InputError) {
    try write(Array(text.utf8))
  }

  /// Hands all collected bytes to the system; throws as ``write(_:)-(UnsafeRawBufferPointer)``
  /// does.
  package mutating func flush() throws(InputError) {
    if buffer.isEmpty { return }
    // Taken out of self, which sending changes.
    var pending: [UInt8] = []
    swap(&pending, &buffer)
    defer { swap(&pending, &buffer) }
    try pending.withUnsafeBufferPointer { (bytes) throws(InputError) in
      try send(UnsafeRawBufferPointer(bytes))
    }
    pending.removeAll(keepingCapacity: true)
    try progress?(count, total)
  }

  /// Writes until all bytes are out: the system may take only some of them at a time.
  private mutating func send(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
    // Darwin refuses more than 2^31 - 1 bytes in one call.
    let most = 1 << 30
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(most))
      var written = 0
      let code = FileSystem.errorCode {
        written = systemWrite(descriptor, piece)
        return written
      }
      if code == EAGAIN {
        // A pipe or terminal that does not block, and is full: wait for its reader.
        var full = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&full, 1, -1)
        continue
      }
      // A regular file never takes nothing; if it did, going on could last for ever.
      if let code = code ?? (written == 0 ? EIO : nil) {
        throw FileSystem.failure(
          code, source: source, expected: "to write \(piece.count) more bytes")
      }
      rest = rest.dropFirst(written)
      sent += written
      if sent >= Self.writebackBytes {
        SystemFiles.startWriteback(descriptor)
        sent = 0
      }
    }
  }
}

/// The C function, whose name the methods of ``FileWriter`` hide.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
  write(descriptor, bytes.baseAddress, bytes.count)
}
