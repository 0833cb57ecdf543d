import BitCore
import BitFiles
import BitFormats

/// Where a conversion goes.
enum ConversionTarget: Sendable, Equatable {
  case safetensors(String)
  case gguf(String)
  /// A folder that receives `model.safetensors`, `config.json` and the small other files.
  case folder(String)

  /// By the suffix; a name without one, or that ends with a slash, is a folder.
  init(path: String) throws(InputError) {
    var bytes = path.utf8[...]
    let isFolder = bytes.last == UInt8(ascii: "/")
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    let trimmed = String(bytes) ?? path
    if isFolder {
      self = .folder(trimmed)
    } else if path.utf8.suffix(5).elementsEqual(".gguf".utf8) {
      self = .gguf(path)
    } else if path.utf8.suffix(12).elementsEqual(".safetensors".utf8) {
      self = .safetensors(path)
    } else {
      let name = path.split(separator: "/").last ?? ""
      let suffix = name.lastIndex(of: ".").map { name[name.index(after: $0)...] } ?? ""
      let isSuffix = !suffix.isEmpty && suffix.allSatisfy { $0.isASCII && $0.isLetter }
      let exists = try FileSystem.FileKind(path: path)
      guard !path.isEmpty, exists != .regular, exists != nil || !isSuffix else {
        throw InputError(
          .unsupported, source: path, found: "a name that does not end in .safetensors or .gguf",
          expected: "one that does, or a folder")
      }
      self = .folder(trimmed)
    }
  }

  var isGGUF: Bool { if case .gguf = self { true } else { false } }

  /// The path of the file or folder.
  var path: String {
    switch self {
    case .safetensors(let path), .gguf(let path), .folder(let path): path
    }
  }

  /// The file of the tensors.
  var file: String {
    switch self {
    case .safetensors(let path), .gguf(let path): path
    case .folder(let path): "\(path)/\(ShardedSafetensors.fileName)"
    }
  }
}
