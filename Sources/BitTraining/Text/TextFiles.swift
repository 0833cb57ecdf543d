import BitCore
import BitFiles

/// The search for files of text.
enum TextFiles {
  /// What a path may lead to.
  static let choices = "a .txt or .jsonl file, or a folder with such files"

  /// The files that paths lead to: a file itself, of a folder all .txt and .jsonl files in it and in
  /// its folders, sorted by name. Hidden ones are left out.
  static func find(_ paths: [String]) throws(InputError) -> [String] {
    var files: [String] = []
    for path in paths {
      switch try FileSystem.FileKind(path: path) {
      case nil:
        throw InputError(.missing, source: path, found: "nothing", expected: choices)
      case .folder:
        let before = files.count
        try find(inFolder: path, depth: 0, &files)
        guard files.count > before else {
          throw InputError(
            .missing, source: path, found: "a folder without .txt or .jsonl files",
            expected: choices)
        }
      default:
        // An array of documents would pass for a text.
        guard !hasExtension(path, "json") else {
          throw InputError(
            .unsupported, source: path, found: "a .json file",
            expected: "\(choices); of JSON, a document on each line of a .jsonl file")
        }
        files.append(path)
      }
    }
    return files
  }

  private static func find(
    inFolder folder: String, depth: Int, _ files: inout [String]
  ) throws(InputError) {
    guard depth < TextLimits.folderDepth else {
      throw InputError(
        .unsupported, source: folder, found: "folders \(depth) deep",
        expected: "at most \(TextLimits.folderDepth)")
    }
    for name in try FileSystem.names(in: folder) where !name.hasPrefix(".") {
      let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
      if try FileSystem.FileKind(path: path) == .folder {
        try find(inFolder: path, depth: depth + 1, &files)
      } else if hasExtension(path, "txt") || isLines(path) {
        files.append(path)
      }
    }
  }

  /// Whether each line of a file is a document in JSON.
  static func isLines(_ path: String) -> Bool { hasExtension(path, "jsonl") }

  private static func hasExtension(_ path: String, _ name: String) -> Bool {
    path.lowercased().utf8.suffix(name.utf8.count + 1).elementsEqual(".\(name)".utf8)
  }
}
