import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A folder that a program writes its files to.
package struct OutputFolder: Sendable {
  private let folder: String

  /// Makes the folder and its parents, unless they exist.
  ///
  /// - Parameters:
  ///   - path: of the folder.
  ///   - option: the option of the command line that names it, for errors.
  package init(_ path: String, option: String? = nil) throws(InputError) {
    folder = path
    // Not FileManager, whose errors do not always say what is in the way.
    var failure: Int32? = path.isEmpty ? ENOENT : nil
    var part = path.hasPrefix("/") ? "/" : ""
    for name in path.split(separator: "/") {
      part += name
      failure = FileSystem.errorCode { mkdir(part, 0o777) }
      part += "/"
    }
    if try FileSystem.FileKind(path: path) == .folder {
      failure = FileSystem.errorCode { access(path, W_OK | X_OK) }
    } else if failure == EEXIST {
      failure = ENOTDIR
    }
    if let failure {
      throw FileSystem.failure(
        failure, source: option.map { "\($0) \(path)" } ?? path,
        expected: "a folder that can be made and written")
    }
  }

  /// The path of a file in the folder.
  package func path(_ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  /// Whether the folder has a file of that name.
  package func contains(_ name: String) throws(InputError) -> Bool {
    try Self.exists(folder, with: name)
  }

  /// Whether there is a folder with a file of that name; makes nothing.
  package static func exists(_ folder: String, with name: String) throws(InputError) -> Bool {
    try FileSystem.FileKind(path: "\(folder)/\(name)") != nil
  }

  /// Removes a file of an earlier run, if there is one.
  package func remove(_ name: String) throws(InputError) {
    let path = path(name)
    let code = FileSystem.errorCode { unlink(path) }
    guard let code, code != ENOENT else { return }
    throw FileSystem.failure(code, source: path, expected: "a file that can be replaced")
  }

  /// Writes a text file, whole or not at all.
  package func write(_ name: String, _ text: String) throws(InputError) {
    try AtomicFile.write(text, to: path(name))
  }

  /// The length of a file in bytes.
  package func byteCount(_ name: String) throws(InputError) -> Int {
    try MappedFile(path: path(name)).count
  }
}
