import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What the file types need of the C library, with errors that name the path.
package enum FileSystem {
  /// What kind of file a path or a descriptor stands for.
  package enum FileKind {
    case regular
    case folder
    case other

    init(mode: mode_t) {
      switch mode & S_IFMT {
      case S_IFREG: self = .regular
      case S_IFDIR: self = .folder
      default: self = .other
      }
    }

    /// What `path` leads to; nil if there is nothing.
    ///
    /// - Throws: ``InputError`` if it cannot be told, as in a folder that may not be searched.
    package init?(path: String) throws(InputError) {
      var status = stat()
      guard stat(path, &status) == 0 else {
        let code = errno
        if code == ENOENT || code == ENOTDIR { return nil }
        throw failure(code, source: path, expected: "a readable file or folder")
      }
      self.init(mode: status.st_mode)
    }

    /// What an error message calls it.
    package var name: String {
      switch self {
      case .regular: "a regular file"
      case .folder: "a folder"
      case .other: "a device, pipe or socket"
      }
    }
  }

  /// An error whose text is the C library's for `code`, such as "No space left on device".
  package static func failure(_ code: Int32, source: String, expected: String) -> InputError {
    let kind: InputError.Kind = code == ENOENT || code == ENOTDIR ? .missing : .inputOutput
    return InputError(
      kind, source: source, found: String(cString: strerror(code)), expected: expected)
  }

  /// Calls `body`, which returns a negative number after setting errno, until no signal
  /// interrupts it; returns the errno, or nil for success.
  package static func errorCode<Result: SignedInteger>(of body: () -> Result) -> Int32? {
    while body() < 0 {
      if errno != EINTR { return errno }
    }
    return nil
  }

  /// Whether two pieces of memory hold the same bytes.
  package static func areEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    guard let first = a.baseAddress, let second = b.baseAddress else { return true }
    return memcmp(first, second, a.count) == 0
  }

  /// What two paths have in common that lead to the same file or folder.
  package struct FileIdentity: Hashable {
    private let device: UInt64
    private let number: UInt64

    /// The identity of what `path` leads to; nil if there is nothing.
    package init?(path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt64(truncatingIfNeeded: status.st_dev)
      number = UInt64(truncatingIfNeeded: status.st_ino)
    }
  }

  /// Whether two paths lead to the same file or folder; not so if one leads to nothing.
  package static func areSame(_ a: String, _ b: String) -> Bool {
    FileIdentity(path: a).map { $0 == FileIdentity(path: b) } ?? false
  }

  /// The names in a folder, sorted, `.` and `..` among them.
  package static func names(in folder: String) throws(InputError) -> [String] {
    guard let stream = opendir(folder) else {
      throw failure(errno, source: folder, expected: "a readable folder")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      names.append(name)
    }
    return names.sorted()
  }

  /// Opens a file; the caller closes the descriptor.
  package static func open(
    _ path: String, _ flags: Int32, mode: mode_t = 0, expected: String
  ) throws(InputError) -> Int32 {
    var descriptor: Int32 = -1
    let code = errorCode {
      #if canImport(Glibc)
        descriptor = Glibc.open(path, flags | O_CLOEXEC, mode)
      #elseif canImport(Musl)
        descriptor = Musl.open(path, flags | O_CLOEXEC, mode)
      #else
        descriptor = Darwin.open(path, flags | O_CLOEXEC, mode)
      #endif
      return descriptor
    }
    if let code { throw failure(code, source: path, expected: expected) }
    return descriptor
  }

  /// Brings everything written to `descriptor` to the device; returns the errno of a failure.
  package static func synchronize(_ descriptor: Int32) -> Int32? {
    #if canImport(Darwin)
      // fsync leaves data in the drive's cache there; file systems without the command fall back.
      if fcntl(descriptor, F_FULLFSYNC) == 0 { return nil }
    #endif
    return errorCode { fsync(descriptor) }
  }
}
