import BitCore
import BitFiles

/// The tensors of a model in the layout of Hugging Face: one safetensors file or several, with
/// other files such as `config.json` beside them.
///
/// ```swift
/// let checkpoint = try ShardedSafetensors(path: "bitnet-b1.58-2B-4T")
/// for tensor in checkpoint.tensors { print(tensor.name, tensor.dtype, tensor.shape) }
/// let norm = try checkpoint.tensor("model.norm.weight")
/// ```
///
/// Opening reads the headers of all files; data is read when it is used.
package struct ShardedSafetensors: Sendable {
  /// The names of the files that a folder is looked through for, the first that is there counts.
  package static let fileName = "model.safetensors"
  package static let indexName = "model.safetensors.index.json"

  /// The path as given; errors name it or a file of the folder.
  package let source: String
  /// The folder that the files are in.
  package let folder: String
  /// The files of tensors, sorted by name; only one if there is no index.
  package let files: [SafetensorsFile]
  /// All tensors, file by file in the order of their data. A byte range counts in its file.
  package let tensors: [SafetensorsTensorInfo]
  /// The bytes of all tensors.
  package let totalSize: Int
  /// The bytes of all tensors as the index has it (`metadata.total_size`), which nothing depends
  /// on; nil without an index or if it does not say.
  package let declaredTotalSize: Int?

  /// What is unusual about the files, though they can be read, in words for the user.
  package let warnings: [String]

  /// The index in ``files`` of each tensor; empty if there is only one file.
  private let owners: [ByteKey: Int]

  /// Opens a safetensors file, an index (a file whose name ends in `.json`), or a folder with a
  /// file `model.safetensors` or else an index `model.safetensors.index.json`. A file that is one
  /// part of several, such as `model-00001-of-00002.safetensors`, leads to the index and so to all.
  ///
  /// - Throws: ``InputError``: `.missing` or `.inputOutput` if a file is not there or cannot be
  ///   read, `.malformed` for a file that is no safetensors file, an index that names a file
  ///   outside the folder, a tensor that is not in the file that the index says (naming both), or
  ///   a tensor in two files.
  package init(path: String) throws(InputError) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    func exists(_ path: String) throws(InputError) -> Bool {
      try FileSystem.FileKind(path: path) != nil
    }
    if try FileSystem.FileKind(path: path) == .folder {
      let (file, index) = ("\(path)/\(Self.fileName)", "\(path)/\(Self.indexName)")
      if try exists(file) {
        let isStray = try exists(index)
        try self.init(
          path: file, isIndex: false, folder: path, source: path,
          warnings: isStray
            ? ["\(path) has \(Self.fileName) and \(Self.indexName); the index is not used"] : [])
      } else if try exists(index) {
        try self.init(path: index, isIndex: true, folder: path, source: path)
      } else {
        throw InputError(
          .missing, source: path, found: "neither \(Self.fileName) nor \(Self.indexName)",
          expected: "one of them")
      }
    } else if let prefix = ShardName.prefix(of: path, "safetensors"), try exists(path) {
      let index = "\(prefix).safetensors.index.json"
      guard try exists(index) else {
        throw InputError(
          .missing, source: path, found: "one part of a model without its index",
          expected: "\(index), which names all parts")
      }
      try self.init(path: index, isIndex: true, folder: parent, source: path)
      guard files.contains(where: { FileSystem.areSame($0.source, path) }) else {
        throw InputError(
          .mismatch, source: path, found: "a part that \(index) does not name",
          expected: "one of its files")
      }
    } else {
      let isIndex = path.utf8.suffix(5).elementsEqual(".json".utf8)
      try self.init(path: path, isIndex: isIndex, folder: parent, source: path)
    }
  }

  /// A model in one file that is open already.
  package init(_ file: SafetensorsFile) {
    files = [file]
    tensors = file.tensors
    (folder, source) = (".", file.source)
    (declaredTotalSize, warnings, owners) = (nil, [], [:])
    totalSize = tensors.reduce(0) { $0 + $1.byteRange.count }
  }

  private init(
    path: String, isIndex: Bool, folder: String, source: String, warnings: [String] = []
  ) throws(InputError) {
    guard isIndex else {
      try self.init(
        [SafetensorsFile(path: path)], folder: folder, source: source, warnings: warnings)
      return
    }
    let index = try ShardIndex(path: path)
    var files: [SafetensorsFile] = []
    for name in index.shards {
      files.append(try SafetensorsFile(path: "\(folder)/\(name)"))
    }
    for (name, shard) in index.places where files[shard][name] == nil {
      throw InputError(
        .malformed, source: path,
        found: "no tensor \(ErrorText.quoted(name)) in \(ErrorText.quoted(index.shards[shard]))",
        expected: "every tensor of weight_map in its file")
    }
    try self.init(files, folder: folder, source: source, declaredTotalSize: index.totalSize)
  }

  private init(
    _ files: [SafetensorsFile], folder: String, source: String, declaredTotalSize: Int? = nil,
    warnings: [String] = []
  ) throws(InputError) {
    self.warnings = warnings
    var owners: [ByteKey: Int] = [:]
    if files.count > 1 {
      owners.reserveCapacity(files.reduce(0) { $0 + $1.tensors.count })
      for (place, file) in files.enumerated() {
        for tensor in file.tensors {
          if let other = owners.updateValue(place, forKey: ByteKey(tensor.name)) {
            throw InputError(
              .malformed, source: source,
              found: "\(ErrorText.quoted(tensor.name)) in \(files[other].source) and "
                + file.source,
              expected: "every tensor in one file")
          }
        }
      }
    }
    (self.files, self.owners) = (files, owners)
    (self.folder, self.source, self.declaredTotalSize) = (folder, source, declaredTotalSize)
    tensors = files.count == 1 ? files[0].tensors : files.flatMap(\.tensors)
    // Files are mapped into memory, so that their sizes add up to less than an Int holds.
    totalSize = tensors.reduce(0) { $0 + $1.byteRange.count }
  }

  private func owner(of name: String) -> SafetensorsFile? {
    files.count == 1 ? files[0] : owners[ByteKey(name)].map { files[$0] }
  }

  /// The tensor of a name, which is compared byte for byte, or nil.
  package subscript(name: String) -> SafetensorsTensorInfo? { owner(of: name)?[name] }

  /// The file that a tensor is in.
  ///
  /// - Throws: ``InputError`` of kind `.missing` if there is no such tensor.
  package func file(of name: String) throws(InputError) -> SafetensorsFile {
    guard let file = owner(of: name), file[name] != nil else {
      throw InputError(
        .missing, source: source, found: "no tensor \(ErrorText.quoted(name))",
        expected: "a tensor of this name")
    }
    return file
  }

  /// A float tensor; see ``SafetensorsFile/tensor(_:)``.
  package func tensor(_ name: String) throws(InputError) -> Tensor {
    try file(of: name).tensor(name)
  }

  /// Some rows of a float tensor; see ``SafetensorsFile/tensor(_:rows:)``.
  package func tensor(_ name: String, rows: Range<Int>) throws(InputError) -> Tensor {
    try file(of: name).tensor(name, rows: rows)
  }

  /// The elements of an integer tensor; see ``SafetensorsFile/integers(_:)``.
  package func integers(_ name: String) throws(InputError) -> [Int64] {
    try file(of: name).integers(name)
  }
}
