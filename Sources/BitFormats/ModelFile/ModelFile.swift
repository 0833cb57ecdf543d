import BitCore
import BitFiles

/// The tensors of a checkpoint in any of the formats that are read here.
///
///     safetensors   a file, an index or a folder; layers that are packed as Hugging Face does
///                   (with `quantization_config`) or as this project does (`bitlinear.layers`)
///     GGUF          a file
///
/// Opening reads the heads of the files and the scales of Hugging Face layers; all else is read
/// when it is used.
public struct ModelFile: Sendable {
  /// The files behind it.
  package enum Storage: Sendable {
    case safetensors(ShardedSafetensors)
    case gguf(GGUFFile)
  }

  /// The metadata key of a file, in safetensors or GGUF, for the `quantization_config` of a
  /// `config.json` that is not beside it.
  public static let quantizationKey = "bitlinear.quantization_config"

  /// The path as given.
  public let path: String
  /// The tensors in the order of the files.
  public package(set) var tensors: [ModelTensor]
  /// What a Hugging Face configuration says about the layers, if there is one.
  public package(set) var quantization: HuggingFaceQuantization?
  /// The members of `config.json`, if there is one.
  package let config: JSONObject?

  package let storage: Storage
  /// The strings of `__metadata__` or the key-value pairs that are this project's.
  package let strings: [String: String]
  /// What a GGUF file says about layers that this project packed before, by their names in it.
  private let layers: JSONObject

  /// Opens a checkpoint: GGUF if the file begins so, otherwise safetensors.
  ///
  /// - Throws: ``InputError`` that names the file and the tensor: what ``GGUFFile``,
  ///   ``ShardedSafetensors``, ``HuggingFaceQuantization`` and ``HuggingFaceScale`` throw, and of kind
  ///   `.missing` for packed layers without a word on what their scales mean.
  public init(path: String, options: GGUFOptions = GGUFOptions()) throws(InputError) {
    self.path = path
    if try Self.isGGUF(path) {
      let file = try GGUFFile(path: path, options: options)
      (storage, config) = (.gguf(file), nil)
      var strings: [String: String] = [:]
      for entry in file.metadata.entries where entry.key.hasPrefix("bitlinear.") {
        strings[entry.key] = entry.value.stringValue
      }
      self.strings = strings
      layers = try PackedLayerFile.layers(in: strings, source: path)
      quantization = try HuggingFaceQuantization(metadata: strings, source: path)
      tensors = try Self.tensors(of: file)
    } else {
      let checkpoint = try ShardedSafetensors(path: path)
      storage = .safetensors(checkpoint)
      config = try checkpoint.config()
      var strings: [String: String] = [:]
      for file in checkpoint.files { strings.merge(file.metadata) { first, _ in first } }
      self.strings = strings
      layers = [:]
      quantization = try checkpoint.quantization()
      tensors = try Self.tensors(of: checkpoint, quantization)
    }
  }

  private static func isGGUF(_ path: String) throws(InputError) -> Bool {
    let kind = try FileSystem.FileKind(path: path)
    if kind == .folder { return false }
    let file = try MappedFile(path: path)
    return file.withUnsafeBytes { $0.starts(with: GGUFHeader.magic) }
  }

  /// What this project wrote about the layer of a weight, beside it or in the metadata of GGUF;
  /// nil if the layer never was one of this project's.
  package func members(of tensor: ModelTensor) -> JSONObject? {
    guard tensor.codes != nil, let name = tensor.layerName else { return nil }
    return tensor.layer?.members ?? layers[name]?.objectValue
  }

  private static func tensors(of file: GGUFFile) throws(InputError) -> [ModelTensor] {
    try file.checkIsNotRotated()
    var tensors: [ModelTensor] = []
    for entry in file.tensors {
      let content: ModelTensor.Content =
        if try file.codeFormat(of: entry) != nil {
          .codes(try file.codedTensor(entry.name))
        } else {
          GGUFNumberCodec(entry.type) == nil ? .bytes : .floats
        }
      tensors.append(
        ModelTensor(
          name: entry.name, shape: entry.shape, content: content, place: .gguf(file, entry)))
    }
    return tensors
  }

  private static func tensors(
    of checkpoint: ShardedSafetensors, _ quantization: HuggingFaceQuantization?
  ) throws(InputError) -> [ModelTensor] {
    var packed: [ByteKey: ModelTensor] = [:]
    var hidden: Set<ByteKey> = []
    var factors: [ByteKey: Float] = [:]
    for file in checkpoint.files {
      for (name, tensor) in try PackedLayerSource.tensors(of: file) {
        packed[ByteKey(tensor.name)] = tensor
        hidden.insert(ByteKey("\(name).weight_scale"))
      }
    }
    for name in checkpoint.huggingFaceLayerNames where packed[ByteKey("\(name).weight")] == nil {
      guard
        let tensor = try HuggingFaceSource.tensor(name, of: checkpoint, quantization: quantization)
      else { continue }
      packed[ByteKey(tensor.name)] = tensor
      hidden.insert(ByteKey("\(name).weight_scale"))
      if quantization?.linearClass == .autobitlinear, let scale = tensor.scale {
        factors[ByteKey("\(name).bias")] = scale.value.multiplier
      }
    }
    var tensors: [ModelTensor] = []
    for file in checkpoint.files {
      for entry in file.tensors where !hidden.contains(ByteKey(entry.name)) {
        if let tensor = packed[ByteKey(entry.name)] {
          tensors.append(tensor)
          continue
        }
        let isFloat = entry.dtype.floatConversion != nil
        var tensor = ModelTensor(
          name: entry.name, shape: entry.shape, content: isFloat ? .floats : .bytes,
          place: .safetensors(file, entry))
        if isFloat { tensor.factor = factors[ByteKey(entry.name)] ?? 1 }
        tensors.append(tensor)
      }
    }
    return tensors
  }

  /// Whether the files are GGUF.
  public var isGGUF: Bool { if case .gguf = storage { true } else { false } }

  /// The bytes of all tensors.
  public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// The key-value pairs of a GGUF file.
  package var ggufMetadata: GGUFMetadata? {
    if case .gguf(let file) = storage { file.metadata } else { nil }
  }

  /// The paths of the files that hold the tensors.
  package var files: [String] {
    switch storage {
    case .safetensors(let checkpoint): checkpoint.files.map(\.source)
    case .gguf(let file): [file.source]
    }
  }

  /// The folder of a checkpoint that was given as a folder.
  package var folder: String? {
    if case .safetensors(let checkpoint) = storage, checkpoint.folder == path { path } else { nil }
  }

  /// Whether the layers and their tensors have the names of a BitNet language model.
  package var isBitNet: Bool {
    if let architecture = ggufMetadata?.architecture { return architecture.hasPrefix("bitnet") }
    return config?["model_type"]?.stringValue == "bitnet"
  }
}
