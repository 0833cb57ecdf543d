import BitCore
import BitFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The folder that a checkpoint is written to.
enum ConversionFolder {
  /// The maximum size of a file that is copied.
  private static let maximumLength = 64 << 20

  /// Makes a folder in an existing one, unless it is there.
  ///
  /// - Returns: whether the folder is new.
  static func make(_ path: String) throws(InputError) -> Bool {
    let code = FileSystem.errorCode { mkdir(path, 0o777) }
    if let code, code != EEXIST {
      throw FileSystem.failure(code, source: path, expected: "to create the folder")
    }
    guard try FileSystem.FileKind(path: path) == .folder else {
      throw InputError(.inputOutput, source: path, found: "a file", expected: "a folder")
    }
    return code == nil
  }

  /// Removes a folder unless something is in it.
  static func removeIfEmpty(_ path: String) { rmdir(path) }

  /// Refuses a folder with a `config.json` that would describe the new tensors and is not theirs.
  static func checkHasNoConfiguration(_ path: String) throws(InputError) {
    let config = "\(path)/config.json"
    guard try FileSystem.FileKind(path: config) != nil else { return }
    throw InputError(
      .mismatch, source: config, found: "a configuration, of which the new model has none",
      expected: "a folder without one")
  }

  /// Renames the tensors of a folder while it has no `config.json`, and then the small files.
  ///
  /// If the tensors cannot be renamed, the old configuration is back. If anything goes wrong after
  /// that, or the process is killed, the folder has none, and so is refused, until it is written
  /// again.
  static func replace(
    _ folder: String, _ files: StagedFiles, tensors: () throws(InputError) -> Void
  ) throws(InputError) {
    let (path, aside) = ("\(folder)/config.json", "\(folder)/.config.json.old")
    let hasOld = try FileSystem.FileKind(path: path) == .regular
    if hasOld { try move(path, to: aside) }
    do throws(InputError) {
      try tensors()
    } catch {
      if hasOld { try? move(aside, to: path) }
      throw error
    }
    if hasOld { unlink(aside) }
    try files.commit()
  }

  private static func move(_ path: String, to other: String) throws(InputError) {
    if let code = FileSystem.errorCode(of: { rename(path, other) }) {
      throw FileSystem.failure(code, source: path, expected: "to rename the file")
    }
  }

  /// Stages copies of the small files that belong to a model, such as its tokenizer: neither hidden
  /// ones nor tensors nor what the conversion writes itself.
  static func copyFiles(
    from source: String, to target: String, _ files: StagedFiles
  ) throws(InputError) {
    for name in try FileSystem.names(in: source) {
      let isTensors = [".safetensors", ".index.json", ".gguf", ".bin", ".pt", ".pth", ".h5"]
        .contains { name.hasSuffix($0) }
      let path = "\(source)/\(name)"
      guard !isTensors, !name.hasPrefix("."), name != "config.json",
        try FileSystem.FileKind(path: path) == .regular
      else { continue }
      let file = try MappedFile(path: path)
      guard file.count <= maximumLength else { continue }
      try files.add("\(target)/\(name)") { (writer) throws(InputError) in
        try file.withUnsafeBytes { (bytes) throws(InputError) in try writer.write(bytes) }
      }
    }
  }
}
