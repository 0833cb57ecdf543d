import BitCore
import BitFiles

/// The folder with the files of a training run.
struct RunFolder {
  private let folder: String

  /// Makes the folder and its parents, unless they exist.
  init(_ path: String) throws(InputError) {
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
        failure, source: "--out \(path)", expected: "a folder that can be made and written")
    }
  }

  /// The path of a file in the folder.
  func path(_ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  /// Whether the folder has a file of that name.
  func contains(_ name: String) throws(InputError) -> Bool {
    try Self.exists(folder, with: name)
  }

  /// Whether there is a folder with a file of that name; makes nothing.
  static func exists(_ folder: String, with name: String) throws(InputError) -> Bool {
    try FileSystem.FileKind(path: "\(folder)/\(name)") != nil
  }

  /// Removes a file of an earlier run, if there is one.
  func remove(_ name: String) throws(InputError) {
    let path = path(name)
    let code = FileSystem.errorCode { unlink(path) }
    guard let code, code != ENOENT else { return }
    throw FileSystem.failure(code, source: path, expected: "a file that can be replaced")
  }

  /// Writes a text file, whole or not at all.
  func write(_ name: String, _ text: String) throws(InputError) {
    try AtomicFile.write(text, to: path(name))
  }

  /// The length of a file in bytes.
  func byteCount(_ name: String) throws(InputError) -> Int {
    try MappedFile(path: path(name)).count
  }
}
