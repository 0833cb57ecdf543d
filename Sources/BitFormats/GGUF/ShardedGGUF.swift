import BitCore
import BitFiles

/// The tensors of a GGUF model: of one file, or of all parts that a model was split into.
///
/// llama.cpp names the parts `NAME-00001-of-00003.gguf` and so on, and counts them in the keys
/// `split.no` (from 0), `split.count` and `split.tensors.count`. Any part leads to all of them.
package struct ShardedGGUF: Sendable {
  /// The path as given.
  package let source: String
  /// The files in the order of the parts; only one if the model is not split.
  package let files: [GGUFFile]
  /// The key-value pairs of the first file, without those that describe the split.
  package let metadata: GGUFMetadata

  private static let splitKeys = ["split.no", "split.count", "split.tensors.count"]

  /// Opens a file and, if it is one part of a model, all other parts.
  ///
  /// - Throws: `InputError` as ``GGUFFile`` does; `.missing` for a part that is not there,
  ///   `.malformed` for parts that do not agree on their number or their tensors, or whose names do
  ///   not tell where the others are.
  package init(path: String, options: GGUFOptions = GGUFOptions()) throws(InputError) {
    try self.init(GGUFFile(path: path, options: options), options: options)
  }

  init(_ file: GGUFFile, options: GGUFOptions = GGUFOptions()) throws(InputError) {
    source = file.source
    files = try Self.parts(of: file, options)
    var metadata = files[0].metadata
    for key in Self.splitKeys { metadata[key] = nil }
    self.metadata = metadata
    try checkTensors()
  }

  private static func number(_ key: String, in file: GGUFFile) throws(InputError) -> Int? {
    guard let value = file.metadata[key] else { return nil }
    guard let number = value.integerValue.flatMap({ Int(exactly: $0) }), number >= 0 else {
      throw InputError(
        .malformed, source: "\(file.source), key \(ErrorText.quoted(key))",
        found: value.stringValue.map(ErrorText.quoted) ?? value.typeName,
        expected: "a number of 0 or more")
    }
    return number
  }

  private static func parts(
    of file: GGUFFile, _ options: GGUFOptions
  ) throws(InputError) -> [GGUFFile] {
    let count = try number("split.count", in: file) ?? 1
    if count <= 1 { return [file] }
    guard let own = try number("split.no", in: file), own < count else {
      throw InputError(
        .malformed, source: file.source, found: "a part of \(count) without its number",
        expected: "split.no in 0..<\(count)")
    }
    let suffix = ShardName.suffix(own, of: count, "gguf")
    guard let name = ShardName.prefix(of: file.source, suffix: suffix) else {
      throw InputError(
        .malformed, source: file.source, found: "part \(own + 1) of \(count) under this name",
        expected: "a name that ends in \(suffix), which tells where the other parts are")
    }
    var files: [GGUFFile] = []
    for part in 0..<count {
      let path = name + ShardName.suffix(part, of: count, "gguf")
      let other: GGUFFile
      if part == own {
        other = file
      } else if try FileSystem.FileKind(path: path) == nil {
        throw InputError(
          .missing, source: path, found: "no such file",
          expected: "part \(part + 1) of \(count) of the model in \(file.source)")
      } else {
        other = try GGUFFile(path: path, options: options)
      }
      let (otherPart, otherCount) = (
        try number("split.no", in: other), try number("split.count", in: other)
      )
      guard otherPart == part, otherCount == count else {
        throw InputError(
          .malformed, source: path,
          found: "part \(otherPart.map { "\($0 + 1)" } ?? "?") of \(otherCount ?? 1)",
          expected: "part \(part + 1) of \(count), as in \(file.source)")
      }
      files.append(other)
    }
    return files
  }

  /// All tensors are there, and each once.
  private func checkTensors() throws(InputError) {
    guard files.count > 1 else { return }
    var owners: [ByteKey: Int] = [:]
    for (index, file) in files.enumerated() {
      for tensor in file.tensors {
        if let other = owners.updateValue(index, forKey: ByteKey(tensor.name)) {
          throw InputError(
            .malformed, source: source,
            found: "\(ErrorText.quoted(tensor.name)) in \(files[other].source) and \(file.source)",
            expected: "every tensor in one part")
        }
      }
    }
    if let declared = try Self.number("split.tensors.count", in: files[0]),
      declared != owners.count
    {
      throw InputError(
        .malformed, source: source, found: "\(owners.count) tensors in \(files.count) parts",
        expected: "\(declared), as split.tensors.count of \(files[0].source) says")
    }
  }
}
