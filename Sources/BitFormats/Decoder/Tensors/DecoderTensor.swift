/// A tensor of a decoder-only language model, whatever it is called in the file.
package enum DecoderTensor: Sendable, Hashable {
  /// The embeddings of the tokens, [vocabulary, hidden].
  case embedding
  /// The norm after the last layer, [hidden].
  case outputNorm
  /// The output layer, [vocabulary, hidden].
  case output
  /// What the rotary frequencies are divided by, [head length / 2]; only in GGUF.
  case ropeFrequencies
  /// A tensor of a layer.
  case layer(Int, Part)

  /// A tensor in each layer.
  package enum Part: Sendable, Hashable, CaseIterable {
    case attentionNorm, query, key, value, attentionOutput, attentionSubNorm, queryNorm, keyNorm
    case feedForwardNorm, gate, up, down, feedForwardSubNorm
    /// The norms of the inputs of single projections.
    case queryInputNorm, keyInputNorm, valueInputNorm, attentionOutputInputNorm
    case gateInputNorm, upInputNorm, downInputNorm

    /// The linear layers.
    package static let projections: [Part] = [
      .query, .key, .value, .attentionOutput, .gate, .up, .down,
    ]

    /// The norm of the input of a projection; nil for other tensors.
    package var inputNorm: Part? {
      switch self {
      case .query: .queryInputNorm
      case .key: .keyInputNorm
      case .value: .valueInputNorm
      case .attentionOutput: .attentionOutputInputNorm
      case .gate: .gateInputNorm
      case .up: .upInputNorm
      case .down: .downInputNorm
      default: nil
      }
    }
  }

  /// The names of tensors in a kind of file.
  package enum Naming: Sendable {
    case huggingFace
    case gguf
  }

  /// Reads the name of a weight; nil for one that is not known, and for biases and scales.
  package init?(_ name: String, in naming: Naming) {
    guard let name = DecoderTensorName(name, in: naming), name.suffix == "weight" else {
      return nil
    }
    self = name.tensor
  }

  /// The usual name of the weight in a kind of file.
  package func name(in naming: Naming) -> String {
    DecoderTensorName(tensor: self, suffix: "weight").name(in: naming)
  }
}
