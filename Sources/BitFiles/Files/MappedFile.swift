import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A whole file as read-only memory, which the system reads page by page when it is used.
///
/// The file must not be made shorter while it is mapped: touching a page that is gone stops the
/// process. ``AtomicFile`` replaces files instead of rewriting them, so it is safe here.
///
/// `@unchecked Sendable` because the memory is never written and stays until `deinit`.
package final class MappedFile: @unchecked Sendable {
  /// The path as given.
  package let path: String
  private let bytes: UnsafeRawBufferPointer

  /// Maps a file, which may be empty.
  ///
  /// - Throws: ``InputError`` of kind `.missing` if there is no such file, `.inputOutput` if it
  ///   cannot be read or is not a regular file.
  package init(path: String) throws(InputError) {
    self.path = path
    let expected = "a readable file"
    // Without O_NONBLOCK, opening a pipe waits for somebody to write to it.
    let descriptor = try FileSystem.open(path, O_RDONLY | O_NONBLOCK, expected: expected)
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw FileSystem.failure(errno, source: path, expected: expected)
    }
    let kind = FileSystem.FileKind(mode: status.st_mode)
    guard kind == .regular else {
      throw InputError(
        .inputOutput, source: path, found: kind.name, expected: "a regular file")
    }
    guard let size = Int(exactly: status.st_size) else {
      throw InputError(
        .unsupported, source: path, found: "\(status.st_size) bytes",
        expected: "at most \(Int.max) bytes")
    }
    // The system refuses to map nothing.
    if size == 0 {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address, address != UnsafeMutableRawPointer(bitPattern: -1) else {
      throw FileSystem.failure(errno, source: path, expected: expected)
    }
    bytes = UnsafeRawBufferPointer(start: address, count: size)
  }

  deinit {
    if let start = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
  }

  /// The size in bytes.
  package var count: Int { bytes.count }

  /// Calls `body` with the bytes of the file, which must not be used after it returns.
  package func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(self) {} }
    return try body(bytes)
  }

  /// Lets the system take back the memory of a range of bytes; it is read again when it is used.
  ///
  /// The system does this by itself when memory gets scarce. A program that goes through a large
  /// file once does it at once, so that it does not seem to need the memory.
  package func releasePages(_ range: Range<Int>) {
    guard let start = bytes.baseAddress else { return }
    let page = max(1, Int(sysconf(Int32(_SC_PAGESIZE))))
    // The system reads around what is used; pages that it takes back too many are read again.
    let around = 1 << 20
    let first = max(0, range.lowerBound - around) / page * page
    let end = (min(range.upperBound + around, bytes.count) + page - 1) / page * page
    guard first < end else { return }
    _ = madvise(UnsafeMutableRawPointer(mutating: start + first), end - first, MADV_DONTNEED)
  }

  /// The bytes of a whole file, in memory.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - limit: the most bytes that it may have.
  /// - Throws: ``InputError`` as ``init(path:)`` does; `.unsupported` for a larger file.
  package static func contents(of path: String, limit: Int) throws(InputError) -> [UInt8] {
    let file = try MappedFile(path: path)
    guard file.count <= limit else {
      throw InputError(
        .unsupported, source: path, found: "\(file.count) bytes", expected: "at most \(limit) bytes"
      )
    }
    return file.withUnsafeBytes { Array($0) }
  }
}
