import BitCore
import BitFormats
import BitTokenizers

/// A language model, ready to run on the CPU.
///
/// ```swift
/// let model = try LanguageModel.load(path: "SmolLM2-135M-Instruct.Q4_1.gguf")
/// let result = try model.generate(prompt: "The capital of France is")
/// print(result.text)
/// ```
///
/// The same tokens give the same logits, to the bit, on every CPU, for every number of threads, at
/// once or in pieces, alone or in a batch. A model does not change and may be used from several
/// threads at once: all texts share its weights, and each has its own keys and values.
public final class LanguageModel: Sendable {
  /// How a model is loaded.
  public struct Options: Sendable, Hashable {
    /// How the inputs of ternary and sign layers are rounded; nil for how the model was trained, with
    /// 16 bits where that was with floats.
    public var activations: ActivationMode?
    /// How keys and values of attention are stored.
    public var cachePrecision: CachePrecision
    /// How to hold ternary or sign codes in memory; nil for the fastest.
    public var format: PackedFormat?
    /// The longest text, at most what the model was made for; nil for just that.
    public var contextLength: Int?
    /// How to read what GGUF files leave open.
    public var gguf: GGUFOptions

    /// The given options.
    public init(
      activations: ActivationMode? = nil, cachePrecision: CachePrecision = .float16,
      format: PackedFormat? = nil, contextLength: Int? = nil, gguf: GGUFOptions = GGUFOptions()
    ) {
      self.activations = activations
      self.cachePrecision = cachePrecision
      self.format = format
      self.contextLength = contextLength
      self.gguf = gguf
    }
  }

  /// The path as given.
  public let path: String
  /// What the file says about the model.
  public let configuration: DecoderConfiguration
  /// How it was loaded; ``Options/activations`` and ``Options/contextLength`` are set.
  public let options: Options
  /// The number of tokens of the longest text.
  public let contextLength: Int
  /// The tokenizer, if the model came with one.
  public let tokenizer: Tokenizer?
  let weights: DecoderWeights
  let mode: ActivationMode

  /// Loads a model: a folder with Hugging Face's files, or a GGUF file.
  ///
  /// - Parameters:
  ///   - path: the folder or the file.
  ///   - options: how to run it.
  ///   - progress: called now and then, on this thread.
  /// - Throws: `InputError` that names the file, and the tensor or key, for a model that is damaged
  ///   or contradicts itself, or that computes something that is not run here.
  public static func load(
    path: String, options: Options = Options(),
    progress: (LoadingProgress) -> Void = { _ in }
  ) throws(InputError) -> LanguageModel {
    let file = try ModelFile(path: path, options: options.gguf)
    return try load(file, options: options, progress: progress)
  }

  /// Loads a model from files that are open already; throws as ``load(path:options:progress:)`` does.
  public static func load(
    _ file: ModelFile, options: Options = Options(),
    progress: (LoadingProgress) -> Void = { _ in }
  ) throws(InputError) -> LanguageModel {
    let configuration = try DecoderConfiguration(file)
    // Before the weights, whose reading takes long.
    let settled = try options.settled(for: configuration, source: file.path)
    let tokenizer = try file.tokenizerDefinition().map { (definition) throws(InputError) in
      try Tokenizer(definition)
    }
    if let tokenizer, tokenizer.vocabularySize > configuration.vocabularySize {
      throw InputError(
        .mismatch, source: file.path, found: "a tokenizer of \(tokenizer.vocabularySize) tokens",
        expected: "at most \(configuration.vocabularySize), the rows of the embedding")
    }
    let weights = try withoutActuallyEscaping(progress) { (progress) throws(InputError) in
      var loader = try ModelLoader(
        file, configuration, options: settled.options, mode: settled.mode, progress: progress)
      return try loader.load()
    }
    return try LanguageModel(file.path, configuration, weights, tokenizer, settled)
  }

  private init(
    _ path: String, _ configuration: DecoderConfiguration, _ weights: DecoderWeights,
    _ tokenizer: Tokenizer?, _ settled: SettledOptions
  ) throws(InputError) {
    (options, mode, contextLength) = (settled.options, settled.mode, settled.contextLength)
    guard mode == .float || weights.hasCodes else {
      throw InputError(
        .unsupported, source: path, found: "activations of \(mode.name)",
        expected: "none to round: the model has no ternary or sign layers")
    }
    (self.path, self.configuration, self.weights) = (path, configuration, weights)
    self.tokenizer = tokenizer
  }

  /// Bytes of weights that are read from memory for each generated token.
  public var bytesPerToken: Int { weights.layerByteCount + (weights.output?.byteCount ?? 0) }
}

/// Options of which none is open any more.
struct SettledOptions {
  let options: LanguageModel.Options
  let mode: ActivationMode
  let contextLength: Int
}

extension LanguageModel.Options {
  /// The options for a model, which decides what they leave open.
  fileprivate func settled(
    for configuration: DecoderConfiguration, source: String
  ) throws(InputError) -> SettledOptions {
    let longest = configuration.contextLength
    let length = contextLength ?? longest
    guard (1...longest).contains(length) else {
      throw InputError(
        .unsupported, source: source, found: "a context of \(length) tokens",
        expected: "1 to \(longest), for which the model was made")
    }
    let mode = activations ?? ActivationMode(trainedWith: configuration.activations)
    var options = self
    (options.activations, options.contextLength) = (mode, length)
    return SettledOptions(options: options, mode: mode, contextLength: length)
  }
}

extension ActivationMode {
  /// How to run a model that was trained in a certain way.
  init(trainedWith activations: DecoderActivations) {
    switch activations {
    case .perTokenInt8: self = .int8
    case .weightOnly: self = .int16
    case .float: self = .float
    }
  }
}
