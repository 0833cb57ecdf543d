/// The name of a tensor in a Hugging Face checkpoint or a GGUF file, taken apart.
///
///     model.layers.7.self_attn.q_proj.weight     blk.7.attn_q.weight
package struct DecoderTensorName: Sendable, Hashable {
  /// What it belongs to.
  package var tensor: DecoderTensor
  /// What follows the last point: "weight", "bias", "weight_scale".
  package var suffix: String
  /// Which of several spellings it has; 0 for the usual one.
  private var spelling = 0

  package init(tensor: DecoderTensor, suffix: String) {
    (self.tensor, self.suffix) = (tensor, suffix)
  }

  /// Takes a name apart; nil for one that is not known.
  package init?(_ name: String, in naming: DecoderTensor.Naming) {
    let pieces = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
    guard pieces.count > 1, let suffix = pieces.last else { return nil }
    self.suffix = suffix
    var stem = pieces.dropLast()
    // Checkpoints of a model without an output layer may leave this out.
    if naming == .huggingFace, Self.equal(stem.first, "model") { stem = stem.dropFirst() }
    let layers = naming == .gguf ? "blk" : "layers"
    if Self.equal(stem.first, layers), stem.count > 2 {
      stem = stem.dropFirst()
      guard let layer = Self.layer(stem.removeFirst()),
        let (part, spelling) = Self.parts(naming)[Array(stem)]
      else { return nil }
      (tensor, self.spelling) = (.layer(layer, part), spelling)
    } else if let tensor = Self.singles(naming)[Array(stem)] {
      self.tensor = tensor
    } else {
      return nil
    }
  }

  /// The name in a kind of file, in the spelling of the one that was read if there is such.
  package func name(in naming: DecoderTensor.Naming) -> String {
    switch tensor {
    case .layer(let layer, let part):
      let spellings = Self.spellings(of: part, naming)
      let name = spellings.indices.contains(spelling) ? spellings[spelling] : spellings[0]
      return (naming == .gguf ? "blk." : "model.layers.") + "\(layer).\(name).\(suffix)"
    case .embedding:
      return (naming == .gguf ? "token_embd." : "model.embed_tokens.") + suffix
    case .outputNorm: return (naming == .gguf ? "output_norm." : "model.norm.") + suffix
    case .output: return (naming == .gguf ? "output." : "lm_head.") + suffix
    // Hugging Face has no such tensor.
    case .ropeFrequencies: return "rope_freqs." + suffix
    }
  }

  private static func equal(_ a: String?, _ b: String) -> Bool {
    a?.utf8.elementsEqual(b.utf8) == true
  }

  /// The number of a layer: digits alone, without leading zeros, so that no two names are one.
  private static func layer(_ digits: String) -> Int? {
    guard digits.utf8.count <= 9, let layer = Int(digits), layer >= 0,
      "\(layer)".utf8.elementsEqual(digits.utf8)
    else { return nil }
    return layer
  }
}

extension DecoderTensorName {
  private typealias Part = DecoderTensor.Part

  /// What stands between the number of the layer and the suffix. The first spelling is the usual
  /// one; a further one belongs to that at the same place on the other side, or else to the first.
  private static func spellings(of part: Part, _ naming: DecoderTensor.Naming) -> [String] {
    let (huggingFace, gguf): ([String], [String]) =
      switch part {
      case .attentionNorm: (["input_layernorm"], ["attn_norm"])
      case .query: (["self_attn.q_proj"], ["attn_q"])
      case .key: (["self_attn.k_proj"], ["attn_k"])
      case .value: (["self_attn.v_proj"], ["attn_v"])
      case .attentionOutput: (["self_attn.o_proj"], ["attn_output"])
      case .attentionSubNorm:
        (["self_attn.attn_sub_norm", "self_attn.inner_attn_ln"], ["attn_sub_norm"])
      case .queryNorm: (["self_attn.q_norm"], ["attn_q_norm"])
      case .keyNorm: (["self_attn.k_norm"], ["attn_k_norm"])
      case .feedForwardNorm: (["post_attention_layernorm"], ["ffn_norm"])
      case .gate: (["mlp.gate_proj"], ["ffn_gate"])
      case .up: (["mlp.up_proj"], ["ffn_up"])
      case .down: (["mlp.down_proj"], ["ffn_down"])
      case .feedForwardSubNorm: (["mlp.ffn_sub_norm", "mlp.ffn_layernorm"], ["ffn_sub_norm"])
      case .queryInputNorm: inputNorm(.query)
      case .keyInputNorm: inputNorm(.key)
      case .valueInputNorm: inputNorm(.value)
      case .attentionOutputInputNorm: inputNorm(.attentionOutput)
      case .gateInputNorm: inputNorm(.gate)
      case .upInputNorm: inputNorm(.up)
      case .downInputNorm: inputNorm(.down)
      }
    return naming == .gguf ? gguf : huggingFace
  }

  /// As BitNet-embedding and its GGUF files name them, and as Hugging Face's layers do.
  private static func inputNorm(_ part: Part) -> ([String], [String]) {
    let (huggingFace, gguf) = (spellings(of: part, .huggingFace)[0], spellings(of: part, .gguf)[0])
    return (
      ["\(huggingFace).norm", "\(huggingFace).rms_norm"],
      ["\(gguf)_norm_in", "\(gguf).rms_norm", "\(gguf).norm"]
    )
  }

  private static let huggingFaceParts = table(.huggingFace)
  private static let ggufParts = table(.gguf)

  /// The part and the spelling, by the pieces between points.
  private static func parts(
    _ naming: DecoderTensor.Naming
  ) -> [[String]: (part: Part, spelling: Int)] {
    naming == .gguf ? ggufParts : huggingFaceParts
  }

  private static func table(
    _ naming: DecoderTensor.Naming
  ) -> [[String]: (part: Part, spelling: Int)] {
    var table: [[String]: (Part, Int)] = [:]
    for part in Part.allCases {
      for (spelling, name) in spellings(of: part, naming).enumerated() {
        table[name.split(separator: ".").map(String.init)] = (part, spelling)
      }
    }
    return table
  }

  private static func singles(_ naming: DecoderTensor.Naming) -> [[String]: DecoderTensor] {
    naming == .gguf
      ? [
        ["token_embd"]: .embedding, ["output_norm"]: .outputNorm, ["output"]: .output,
        ["rope_freqs"]: .ropeFrequencies,
      ] : [["embed_tokens"]: .embedding, ["norm"]: .outputNorm, ["lm_head"]: .output]
  }
}
