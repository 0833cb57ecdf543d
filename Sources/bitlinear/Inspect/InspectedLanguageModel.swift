import BitCore
import BitFiles
import BitFormats
import BitTokenizers
import BitTraining

/// What `inspect` shows of a language model, beside its tensors.
struct InspectedLanguageModel {
  private let configuration: DecoderConfiguration
  private let tokenizer: TokenizerDefinition?
  private let parameters: Parameters

  /// The numbers of weights by kind.
  private struct Parameters {
    var ternary = 0
    var sign = 0
    /// Embedding and output layer, however they are stored.
    var embedding = 0
    var other = 0

    var total: Int { ternary + sign + embedding + other }
  }

  /// The language model of some files; nil if they hold something else.
  ///
  /// - Throws: ``InputError`` for a language model that is damaged, or that is not run here.
  init?(_ model: ModelFile) throws(InputError) {
    guard DecoderFamily(model) != nil else { return nil }
    configuration = try DecoderConfiguration(model)
    tokenizer = try model.tokenizerDefinition()
    parameters = try Self.parameters(of: model, configuration)
  }

  private static func parameters(
    of model: ModelFile, _ configuration: DecoderConfiguration
  ) throws(InputError) -> Parameters {
    var parameters = Parameters()
    for tensor in model.tensors {
      switch DecoderTensor(tensor.name, in: model.isGGUF ? .gguf : .huggingFace) {
      case .embedding, .output: parameters.embedding += tensor.count
      case .layer(_, let part) where DecoderTensor.Part.projections.contains(part):
        switch try alphabet(of: tensor, configuration) {
        case .ternary: parameters.ternary += tensor.count
        case .sign: parameters.sign += tensor.count
        case nil: parameters.other += tensor.count
        }
      default: parameters.other += tensor.count
      }
    }
    return parameters
  }

  /// What the weights of a linear layer are; nil for other numbers.
  private static func alphabet(
    of tensor: ModelTensor, _ configuration: DecoderConfiguration
  ) throws(InputError) -> WeightAlphabet? {
    if let codes = tensor.codes { return codes.alphabet }
    if configuration.hasLatentWeights { return .ternary }
    guard configuration.activations != .float, tensor.columns > 0 else { return nil }
    // "Unpacked" models: the few weights of a block are all d, -d or 0.
    let values = try tensor.values(0..<min(8, tensor.rows))
    let length = min(32, tensor.columns)
    for row in stride(from: 0, to: values.count, by: tensor.columns) {
      for start in stride(from: row, to: row + tensor.columns, by: length) {
        let block = values[start..<min(start + length, row + tensor.columns)]
        let largest = block.reduce(0) { max($0, $1.magnitude) }
        guard block.allSatisfy({ $0 == 0 || $0.magnitude == largest }) else { return nil }
      }
    }
    return values.contains(0) ? .ternary : .sign
  }

  /// How activations were in training, by the name of the mode that runs the model so.
  private var activations: String {
    switch configuration.activations {
    case .perTokenInt8: "int8 per token"
    case .weightOnly: "float, with quantized weights"
    case .float: "float"
    }
  }

  private var rope: String {
    let rotary = configuration.rotary
    let base = "theta \(InspectText.number(Double(rotary.theta)))"
    func number(_ value: Float) -> String { InspectText.number(Double(value)) }
    return switch rotary.scaling {
    case .none: base
    case .linear(let factor): "\(base), linear scaling by \(number(factor))"
    case .llama3(let factor, _, _, let context):
      "\(base), llama3 scaling by \(number(factor)) from \(context)"
    case .yarn(let yarn):
      "\(base), YaRN scaling by \(number(yarn.factor)) from \(yarn.originalContext)"
    case .divisors: "\(base), a divisor for each frequency"
    }
  }

  private var tokenizerKind: String? {
    guard let tokenizer else { return nil }
    return tokenizer.isByteLevel ? "byte-level BPE" : "BPE of characters"
  }

  /// The rows of a table.
  var rows: [[String]] {
    let configuration = configuration
    func millions(_ count: Int) -> String { NumberText.grouped(count) }
    return [
      ["architecture", configuration.family.rawValue],
      ["context", "\(configuration.contextLength)"],
      ["layers", "\(configuration.layerCount)"],
      ["hidden size", "\(configuration.hiddenSize)"],
      ["feed-forward size", "\(configuration.intermediateSize)"],
      [
        "heads",
        "\(configuration.headCount) of \(configuration.headLength), "
          + "\(configuration.keyValueHeadCount) for keys and values",
      ],
      ["vocabulary", "\(configuration.vocabularySize)"],
      ["activations in training", activations],
      ["gate", configuration.activation.configurationName],
      ["rope", rope],
      ["output layer", configuration.tiesEmbeddings ? "the embedding" : "its own"],
      ["parameters", millions(parameters.total)],
      ["ternary", millions(parameters.ternary)],
      ["sign", millions(parameters.sign)],
      ["embedding and output", millions(parameters.embedding)],
      ["other", millions(parameters.other)],
      [
        "tokenizer",
        tokenizerKind.map { "\($0), \(tokenizer?.tokens.count ?? 0) tokens" } ?? "none",
      ],
      ["chat template", tokenizer?.chatTemplate == nil ? "none" : "yes"],
    ]
  }

  /// One object for programs.
  var json: JSONValue {
    func integer(_ value: Int) -> JSONValue { .integer(Int64(value)) }
    return [
      "architecture": .string(configuration.family.rawValue),
      "context": integer(configuration.contextLength), "layers": integer(configuration.layerCount),
      "hidden_size": integer(configuration.hiddenSize),
      "feed_forward_size": integer(configuration.intermediateSize),
      "heads": integer(configuration.headCount),
      "key_value_heads": integer(configuration.keyValueHeadCount),
      "head_length": integer(configuration.headLength),
      "vocabulary": integer(configuration.vocabularySize), "activations": .string(activations),
      "gate": .string(configuration.activation.configurationName), "rope": .string(rope),
      "rope_theta": .number(Double(configuration.rotary.theta)),
      "tied": .bool(configuration.tiesEmbeddings),
      "pooling": .string(configuration.pooling.rawValue),
      "parameters": [
        "total": integer(parameters.total), "ternary": integer(parameters.ternary),
        "sign": integer(parameters.sign), "embedding": integer(parameters.embedding),
        "other": integer(parameters.other),
      ],
      "tokenizer": tokenizerKind.map { .string($0) } ?? .null,
      "tokens": tokenizer.map { integer($0.tokens.count) } ?? .null,
      "chat_template": .bool(tokenizer?.chatTemplate != nil),
    ]
  }
}
