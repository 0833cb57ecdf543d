/// The bytes of a whole file, mapped or in memory.
package enum ByteSource: Sendable {
  case file(MappedFile)
  case bytes([UInt8])

  /// Calls `body` with a range of the bytes, which must not be used after it returns.
  package func withUnsafeBytes<R, E: Error>(
    in range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try withUnsafeBytes { (bytes) throws(E) in
      try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }

  /// Calls `body` with all bytes, which must not be used after it returns.
  package func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    switch self {
    case .file(let file): return try file.withUnsafeBytes(body)
    case .bytes(let bytes):
      return try bytes.withUnsafeBufferPointer { (bytes) throws(E) in
        try body(UnsafeRawBufferPointer(bytes))
      }
    }
  }

  /// Lets the system take back the memory of a range of a mapped file until it is used again.
  package func releasePages(_ range: Range<Int>) {
    if case .file(let file) = self { file.releasePages(range) }
  }
}
