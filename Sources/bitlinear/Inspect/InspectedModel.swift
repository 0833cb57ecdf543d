import BitCore
import BitFiles
import BitFormats
import BitNN

/// A file or a folder of tensors of whatever kind, as `inspect` shows it. Opening it reads heads of
/// files, no data.
protocol InspectedModel {
  /// The path as given.
  var source: String { get }
  /// The kind of file in words: "safetensors", "GGUF 3".
  var kind: String { get }
  /// What the file says about itself, in the order to be shown.
  var metadata: [InspectedMetadata] { get }
  /// What else is to be known, by name.
  var facts: [(name: String, value: String)] { get }
  /// All tensors.
  var tensors: [InspectedTensor] { get }
  /// The tensors of codes.
  var layers: [CodedLayer] { get }
  /// What is wrong with the file without keeping it from being listed.
  var problems: [String] { get }

  /// What a tensor holds.
  ///
  /// - Parameter name: the name of one of ``tensors``.
  /// - Throws: ``InputError`` if its type cannot be read or it does not fit its scales.
  func content(of name: String) throws(InputError) -> TensorContent
}

/// A key with its value.
struct InspectedMetadata {
  var key: String
  /// The value for a table.
  var text: String
  /// The value for programs.
  var json: JSONValue
}

/// One tensor of the list.
struct InspectedTensor {
  var name: String
  var type: String
  /// Extents, outermost first.
  var shape: [Int]
  /// Bytes in the file; for a type of unknown size, up to the next tensor.
  var bytes: Int
  /// Bits in the file for each value; nil for an unknown type or an empty tensor.
  var bits: Double?
  /// The file of the folder that it is in, if there are several.
  var file: String?
}

/// What a tensor holds.
enum TensorContent {
  case codes(CodedLayer)
  case numbers(NumberStream)
}

/// A tensor of codes with its scales.
struct CodedLayer {
  /// What the stored scale does.
  enum ScaleUse: String {
    case multiplies
    case divides
    /// Nothing in the files tells.
    case unknown
  }

  /// The layer, or the tensor where codes and scales are one.
  var name: String
  /// The tensor of the codes.
  var tensorName: String
  /// Codes and factors.
  var coded: CodedTensor
  /// Bytes in the file, scales included.
  var bytes: Int
  /// What the scale goes for, in words for the user: "tensor", "row", "group", "block".
  var scaleKind: String
  /// How many scales are stored.
  var scaleCount: Int
  /// What the scale does where the format leaves that open; nil if scales always multiply.
  var scaleUse: ScaleUse?
  /// The scales as stored; nil where they are among the codes.
  var storedScales: (() throws(InputError) -> [Float])?
  /// Gives back the memory of what was read.
  var releasePages: () -> Void = {}

  /// Bits in the file for each weight, scales included.
  var bitsPerWeight: Double {
    let weights = coded.rows * coded.columns
    return weights > 0 ? Double(8 * bytes) / Double(weights) : 0
  }

  /// Goes through all codes and scales.
  func statistics() throws(InputError) -> CodeStatistics {
    try CodeStatistics(name, of: coded, releasePages: releasePages)
  }

  /// The kind and number of the scales of a tensor.
  static func scales(of tensor: CodedTensor) -> (kind: String, count: Int) {
    switch tensor.scaleKind {
    case .tensor: ("tensor", 1)
    case .row: ("row", tensor.rows)
    case .block(let columns): ("block of \(columns)", tensor.rows * tensor.scalesPerRow)
    }
  }
}

extension InspectedModel {
  /// The bytes of all tensors.
  var bytes: Int { tensors.reduce(0) { $0 + $1.bytes } }

  /// One of the tensors.
  ///
  /// - Throws: ``InputError`` of kind `.missing` that lists names like it.
  func tensor(named name: String) throws(InputError) -> InspectedTensor {
    if let tensor = tensors.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
      return tensor
    }
    let near = NearNames.nearest(to: name, among: tensors.map(\.name))
      .map(InspectText.quoted)
    let list = near.count > 1 ? near.dropLast().joined(separator: ", ") + " or " : ""
    throw InputError(
      .missing, source: source, found: "no tensor \(InspectText.quoted(name))",
      expected: "one of its \(tensors.count) tensors"
        + (near.last.map { ", such as \(list)\($0)" } ?? ""))
  }
}

/// Opens what a path leads to.
enum InspectedModels {
  /// A GGUF file, known by its first bytes or its name, or anything that ``ShardedSafetensors`` opens.
  ///
  /// - Throws: ``InputError`` as ``GGUFFile`` and ``ShardedSafetensors`` do, and of kind `.mismatch` if
  ///   a layout of I2_S is given for another kind of file.
  static func open(
    path: String, i2sLayout: I2SLayout?
  ) throws(InputError) -> any InspectedModel {
    if try isGGUF(path) {
      return GGUFModel(try GGUFFile(path: path, options: GGUFOptions(i2sLayout: i2sLayout)))
    }
    let checkpoint = try ShardedSafetensors(path: path)
    guard i2sLayout == nil else {
      throw InputError(
        .mismatch, source: "--i2s-layout", found: "\(path), which is no GGUF file",
        expected: "a GGUF file")
    }
    return try SafetensorsModel(checkpoint)
  }

  private static func isGGUF(_ path: String) throws(InputError) -> Bool {
    guard try FileSystem.FileKind(path: path) == .regular else { return false }
    if path.lowercased().hasSuffix(".gguf") { return true }
    return try MappedFile(path: path).withUnsafeBytes { $0.starts(with: "GGUF".utf8) }
  }
}
