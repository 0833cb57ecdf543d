import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Reads whole files with POSIX calls.
enum FileBytes {
  /// What a path leads to.
  enum PathKind {
    case file
    case folder
    /// A device, a pipe or a socket: reading it might never end.
    case other
  }

  /// What `path` leads to; nil if there is nothing. Throws if it cannot be told, as in a folder
  /// that may not be searched.
  static func kind(of path: String) throws(InputError) -> PathKind? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      let code = errno
      if code == ENOENT || code == ENOTDIR { return nil }
      throw systemError(code, path: path, expected: "a readable file or folder")
    }
    return kind(status)
  }

  /// The bytes of the file at `path`. Throws if it is missing, not a regular file, not readable,
  /// or larger than `maximumBytes`.
  static func read(_ path: String, maximumBytes: Int) throws(InputError) -> [UInt8] {
    // Opening a named pipe would otherwise wait for its writer.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw systemError(errno, path: path, expected: "a readable file")
    }
    defer { close(descriptor) }

    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw systemError(errno, path: path, expected: "a readable file")
    }
    switch kind(status) {
    case .file: break
    case .folder:
      throw InputError(.inputOutput, source: path, found: "a folder", expected: "a file")
    case .other:
      throw InputError(
        .unsupported, source: path, found: "a device, pipe or socket", expected: "a regular file")
    }
    guard status.st_size <= maximumBytes else {
      throw InputError(
        .unsupported, source: path, found: "\(status.st_size) bytes",
        expected: "at most \(maximumBytes) bytes")
    }

    var failure: Int32 = 0
    let size = Int(status.st_size)
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = 0
      while count < size, let base = buffer.baseAddress {
        #if canImport(Glibc)
          let got = Glibc.read(descriptor, base + count, size - count)
        #elseif canImport(Musl)
          let got = Musl.read(descriptor, base + count, size - count)
        #else
          let got = Darwin.read(descriptor, base + count, size - count)
        #endif
        if got > 0 {
          count += got
        } else if got == 0 {
          break  // Somebody cut the file meanwhile; its format will tell.
        } else if errno != EINTR {
          failure = errno
          break
        }
      }
    }
    guard failure == 0 else { throw systemError(failure, path: path, expected: "a readable file") }
    return bytes
  }

  private static func kind(_ status: stat) -> PathKind {
    switch status.st_mode & S_IFMT {
    case S_IFREG: .file
    case S_IFDIR: .folder
    default: .other
    }
  }

  private static func systemError(_ code: Int32, path: String, expected: String) -> InputError {
    let reason = "an error: \(String(cString: strerror(code)))"
    let isMissing = code == ENOENT || code == ENOTDIR
    return InputError(
      isMissing ? .missing : .inputOutput, source: path,
      found: isMissing ? "no such file" : reason, expected: expected)
  }
}
