import BitCore
import BitFiles
import BitTokenizers

/// The texts to train a language model with, and those to validate it with.
public struct TextData: Sendable {
  /// The tokens to train with.
  public let training: TokenDataset
  /// The tokens to validate with, if there are any.
  public let validation: TokenDataset?

  /// Reads and encodes texts.
  ///
  /// A folder with `train.jsonl` or `train.txt`, as mlx_lm has it, is read for what the names say:
  /// that file to train with, `valid.jsonl` or `valid.txt` to validate with, and nothing else.
  ///
  /// - Parameters:
  ///   - paths: files and folders to train with; see ``TextCorpus/init(paths:separator:)``.
  ///   - validation: files and folders to validate with; nil for a share of those to train with, or
  ///     what the folder has.
  ///   - validationShare: that share, if there are no others to validate with; 0 for none. See
  ///     ``TokenDataset/split(validationShare:seed:)``.
  ///   - seed: what determines the share.
  ///   - tokenizer: what cuts the texts into tokens.
  ///   - length: the length of windows, of which both sides must have one.
  ///   - masksPrompts: whether prompts are read but not learned.
  ///   - separator: the line that parts documents in files of text, if there is one.
  /// - Throws: `InputError` that names the file, for texts that are missing, empty, too small for a
  ///   window or not readable; also if a file is both to train and to validate with.
  public init(
    paths: [String], validation: [String]? = nil, validationShare: Double, seed: UInt64,
    tokenizer: Tokenizer, length: Int, masksPrompts: Bool = false, separator: String? = nil
  ) throws(InputError) {
    var (paths, validation) = (paths, validation)
    if paths.count == 1, let folder = paths.first,
      let train = try Self.file("train", in: folder)
    {
      paths = [train]
      if validation == nil { validation = try Self.file("valid", in: folder).map { [$0] } }
    }
    func dataset(_ paths: [String]) throws(InputError) -> TokenDataset {
      try TokenDataset(
        TextCorpus(paths: paths, separator: separator), tokenizer: tokenizer,
        masksPrompts: masksPrompts)
    }
    if let validation {
      try Self.checkThatNoneIsIn(both: paths, validation)
      (training, self.validation) = (try dataset(paths), try dataset(validation))
    } else if validationShare == 0 {
      (training, self.validation) = (try dataset(paths), nil)
    } else {
      let (first, second) = try dataset(paths).split(validationShare: validationShare, seed: seed)
      (training, self.validation) = (first, second)
    }
    try training.checkWindow(length)
    try self.validation?.checkWindow(length)
  }

  /// The file of a part in a folder of parts.
  private static func file(_ part: String, in folder: String) throws(InputError) -> String? {
    guard try FileSystem.FileKind(path: folder) == .folder else { return nil }
    let paths = ["jsonl", "txt"].map { "\(folder)/\(part).\($0)" }
    for path in paths where try FileSystem.FileKind(path: path) == .regular {
      if let other = paths.last, other != path, try FileSystem.FileKind(path: other) == .regular {
        throw InputError(
          .mismatch, source: folder, found: "both \(part).jsonl and \(part).txt",
          expected: "one of them")
      }
      return path
    }
    return nil
  }

  private static func checkThatNoneIsIn(
    both training: [String], _ validation: [String]
  ) throws(InputError) {
    var first: [FileSystem.FileIdentity: String] = [:]
    for path in try TextFiles.find(training) {
      if let identity = FileSystem.FileIdentity(path: path) { first[identity] = path }
    }
    for path in try TextFiles.find(validation) {
      if let identity = FileSystem.FileIdentity(path: path), let other = first[identity] {
        throw InputError(
          .mismatch, source: path, found: "the file \(other) that is trained with",
          expected: "another one to validate with")
      }
    }
  }
}
