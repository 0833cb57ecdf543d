import BitCore
import BitFiles

/// A model in any of the formats that are read here.
///
///     safetensors   a file, an index or a folder; layers that are packed as Hugging Face does
///                   (with `quantization_config`) or as this project does (`bitlinear.layers`)
///     GGUF          a file, or all parts of a split one
///
/// Opening reads the headers of the files and the scales of Hugging Face layers; all else is read
/// when it is used.
public struct ModelFile: Sendable {
  /// The files behind it.
  package enum Storage: Sendable {
    case safetensors(ShardedSafetensors)
    case gguf(ShardedGGUF)
  }

  /// The metadata key of a file, in safetensors or GGUF, for the `quantization_config` of a
  /// `config.json` that is not beside it.
  package static let quantizationKey = "bitlinear.quantization_config"

  /// The path as given.
  public let path: String
  /// The tensors in the order of the files.
  public package(set) var tensors: [ModelTensor]
  /// What a Hugging Face configuration says about the layers, if there is one.
  package var quantization: HuggingFaceQuantization?
  /// What is unusual about the files, though they can be read, in words for the user.
  public let warnings: [String]
  /// What is wrong with the configuration; problems of single tensors are with these.
  package let configurationProblem: InputError?

  /// The members of `config.json`, if there is one.
  package let config: JSONObject?
  package let storage: Storage
  /// The strings of `__metadata__` or the key-value pairs that are this project's.
  package let strings: [String: String]
  /// What a GGUF file says about layers that this project packed before, by their names in it, and
  /// what there is to say about layers that were quantized since.
  package var layers: JSONObject

  /// Opens a model: GGUF if the file's name ends so or its content begins so, otherwise safetensors.
  ///
  /// - Throws: `InputError` that names the file and the tensor: `.missing` or `.inputOutput` for a
  ///   file or a part of the model that cannot be read, `.malformed` for one that is damaged,
  ///   `.unsupported` for layers that are not read, `.missing` for packed layers without a word on
  ///   what their scales mean, `.mismatch` for a layer whose shape contradicts the configuration.
  public init(path: String, options: GGUFOptions = GGUFOptions()) throws(InputError) {
    try self.init(listing: path, options: options)
    if let problem = problems.first { throw problem }
  }

  /// Opens a model to look at it: what is wrong with single tensors or with the configuration is
  /// found in ``problems`` and does not keep the rest from being listed.
  ///
  /// - Throws: ``InputError`` for files that cannot be read at all.
  package init(
    listing path: String, options: GGUFOptions = GGUFOptions()
  ) throws(InputError) {
    if try Self.isGGUF(path) {
      try self.init(ShardedGGUF(path: path, options: options))
    } else {
      let checkpoint = try ShardedSafetensors(path: path)
      let (config, problem) = Self.result { () throws(InputError) in try checkpoint.config() }
      try self.init(checkpoint, config: config, configurationProblem: problem)
    }
  }

  /// A model in a file that is open already; throws as ``init(path:options:)`` does.
  ///
  /// What the scales of Hugging Face layers mean is read from the file's metadata.
  public init(_ file: SafetensorsFile) throws(InputError) {
    try self.init(file, config: nil)
  }

  /// A model in a file that is open already, with the members of its `config.json`.
  package init(_ file: SafetensorsFile, config: JSONObject?) throws(InputError) {
    try self.init(ShardedSafetensors(file), config: config, configurationProblem: nil)
    if let problem = problems.first { throw problem }
  }

  /// A model in a file that is open already; throws as ``init(path:options:)`` does.
  public init(_ file: GGUFFile) throws(InputError) {
    try self.init(ShardedGGUF(file))
    if let problem = problems.first { throw problem }
  }

  private init(_ gguf: ShardedGGUF) throws(InputError) {
    path = gguf.source
    (storage, config, warnings) = (.gguf(gguf), nil, [])
    var strings: [String: String] = [:]
    for entry in gguf.metadata.entries where entry.key.hasPrefix("bitlinear.") {
      strings[entry.key] = entry.value.stringValue
    }
    self.strings = strings
    layers = try PackedLayerFile.descriptions(in: strings, source: path)
    (quantization, configurationProblem) = Self.result { () throws(InputError) in
      try HuggingFaceQuantization(metadata: strings, source: gguf.source)
    }
    tensors = Self.tensors(of: gguf)
    checkShapes()
  }

  private init(
    _ checkpoint: ShardedSafetensors, config: JSONObject?, configurationProblem problem: InputError?
  ) throws(InputError) {
    path = checkpoint.source
    (storage, warnings) = (.safetensors(checkpoint), checkpoint.warnings)
    (self.config, layers) = (config, [:])
    var strings: [String: String] = [:]
    for file in checkpoint.files { strings.merge(file.metadata) { first, _ in first } }
    self.strings = strings
    let (quantization, otherProblem) = Self.result { () throws(InputError) in
      problem == nil ? try checkpoint.quantization(config: config) : nil
    }
    self.quantization = quantization
    configurationProblem = problem ?? otherProblem
    tensors = try Self.tensors(
      of: checkpoint, quantization, isReadable: configurationProblem == nil)
    checkShapes()
  }

  private static func result<T>(
    _ body: () throws(InputError) -> T?
  ) -> (value: T?, problem: InputError?) {
    do throws(InputError) {
      return (try body(), nil)
    } catch {
      return (nil, error)
    }
  }

  /// What keeps parts of the model from being used: the configuration's problem, then those of
  /// tensors. Each is named once.
  package var problems: [InputError] {
    var problems: [InputError] = []
    for problem in [configurationProblem] + tensors.map(\.problem) {
      if let problem, problems.last != problem { problems.append(problem) }
    }
    return problems
  }

  private static func isGGUF(_ path: String) throws(InputError) -> Bool {
    guard try FileSystem.FileKind(path: path) != .folder else { return false }
    if path.lowercased().hasSuffix(".gguf") { return true }
    return try MappedFile(path: path).withUnsafeBytes { $0.starts(with: GGUFHeader.magic) }
  }

  /// What this project wrote about the layer of a weight, beside it or in the metadata of GGUF;
  /// nil if the layer never was one of this project's.
  package func members(of tensor: ModelTensor) -> JSONObject? {
    guard tensor.codes != nil, let name = tensor.layerName else { return nil }
    if case .bitlinear(let layer) = tensor.packing { return layer.members }
    return layers[name]?.objectValue
  }

  /// Whether the files are GGUF.
  package var isGGUF: Bool { if case .gguf = storage { true } else { false } }

  /// The bytes of all tensors.
  public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// All tensors of the files, those included that belong to others in ``tensors``.
  package var extents: [ByteExtent] {
    switch storage {
    case .safetensors(let checkpoint):
      checkpoint.files.flatMap { file in file.tensors.map { .safetensors(file, $0) } }
    case .gguf(let model):
      model.files.flatMap { file in file.tensors.map { .gguf(file, $0) } }
    }
  }

  /// The key-value pairs of a GGUF model.
  package var ggufMetadata: GGUFMetadata? {
    if case .gguf(let model) = storage { model.metadata } else { nil }
  }

  /// The paths of the files that hold the tensors.
  package var files: [String] {
    switch storage {
    case .safetensors(let checkpoint): checkpoint.files.map(\.source)
    case .gguf(let model): model.files.map(\.source)
    }
  }

  /// The folder of a model that was given as a folder.
  package var folder: String? {
    if case .safetensors(let checkpoint) = storage, checkpoint.folder == path { path } else { nil }
  }
}
