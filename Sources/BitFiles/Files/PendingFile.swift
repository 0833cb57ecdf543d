import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file under a temporary name, which ``commit()`` gives its final one; without that it is
/// removed at the end of its life.
package struct PendingFile: ~Copyable {
  /// Takes the bytes of the file.
  package var writer: FileWriter

  private let path: String
  private let destination: String
  private let folder: String
  /// Where the bytes are until they are committed.
  package let temporary: String
  private var descriptor: Int32
  private var isRenamed = false

  private static var expected: String { "to write the file" }

  /// Opens a temporary file beside `path`.
  package init(_ path: String) throws(InputError) {
    let target = try Self.target(of: path)
    let (folder, name) = Self.split(target.path)
    let created = try Self.create(in: folder, for: name, path: path)
    self.path = path
    self.folder = folder
    destination = target.path
    (descriptor, temporary) = created
    writer = FileWriter(descriptor: descriptor, source: path)
    // Best effort: some file systems have no permissions to set.
    if let permissions = target.permissions { _ = fchmod(descriptor, permissions) }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !isRenamed { unlink(temporary) }
  }

  /// Makes the file durable and gives it its final name.
  package mutating func commit() throws(InputError) {
    try writer.flush()
    try check(FileSystem.synchronize(descriptor))
    // The descriptor is gone even if close fails, so it is not tried again.
    let closed = close(descriptor)
    let code = errno
    descriptor = -1
    try check(closed == 0 || code == EINTR ? nil : code)
    try check(FileSystem.errorCode { rename(temporary, destination) })
    isRenamed = true
    try synchronizeFolder()
  }

  private func check(_ code: Int32?) throws(InputError) {
    if let code { throw FileSystem.failure(code, source: path, expected: Self.expected) }
  }

  /// Makes the rename durable.
  private func synchronizeFolder() throws(InputError) {
    // A folder that may be written but not read cannot be opened; the rename stands all the same.
    guard let opened = try? FileSystem.open(folder, O_RDONLY, expected: Self.expected) else {
      return
    }
    defer { close(opened) }
    let code = FileSystem.synchronize(opened)
    // Some file systems cannot do this for folders and say so.
    if code != EINVAL && code != ENOTSUP { try check(code) }
  }

  /// The file that `path` stands for after links, with the permissions of an existing one.
  private static func target(
    of path: String
  ) throws(InputError) -> (path: String, permissions: mode_t?) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      // Anything but a missing file fails again, with its reason, when the temporary is created.
      return (path, nil)
    }
    let kind = FileSystem.FileKind(mode: status.st_mode)
    guard kind == .regular else {
      throw InputError(
        .inputOutput, source: path, found: kind.name, expected: "a regular file or a new name")
    }
    guard let resolved = realpath(path, nil) else { return (path, status.st_mode & 0o7777) }
    defer { free(resolved) }
    return (String(cString: resolved), status.st_mode & 0o7777)
  }

  private static func split(_ path: String) -> (folder: String, name: Substring) {
    // Bytes, because a slash and a combining mark after it are one character of a String.
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path[...]) }
    let folder = slash == path.startIndex ? "/" : String(path[..<slash])
    return (folder, path[path.utf8.index(after: slash)...])
  }

  private static func create(
    in folder: String, for name: Substring, path: String
  ) throws(InputError) -> (descriptor: Int32, path: String) {
    guard !name.isEmpty else {
      throw InputError(.inputOutput, source: path, found: "no file name", expected: "a path")
    }
    // A name has at most 255 bytes on common file systems, and the suffix needs some of them.
    var stem = String(name)
    while stem.utf8.count > 200 { stem.removeLast() }
    var attempts = 8
    while true {
      let random = String(UInt64.random(in: 0 ... .max), radix: 16)
      let temporary = "\(folder)/.\(stem).tmp-\(getpid())-\(random)"
      var descriptor: Int32 = -1
      let code = FileSystem.errorCode {
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        return descriptor
      }
      guard let code else { return (descriptor, temporary) }
      attempts -= 1
      if code != EEXIST || attempts == 0 {
        throw FileSystem.failure(code, source: path, expected: expected)
      }
    }
  }
}
