/// The names of the tensors of a BitNet language model: those of Hugging Face and those of GGUF.
enum BitNetNames {
  private static let single = [
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("lm_head.weight", "output.weight"),
  ]

  /// What follows `model.layers.N.` and `blk.N.`. The first of two names for one is the usual one.
  private static let parts = [
    ("input_layernorm", "attn_norm"), ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"), ("self_attn.attn_sub_norm", "attn_sub_norm"),
    ("self_attn.inner_attn_ln", "attn_sub_norm"), ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"),
    ("mlp.ffn_sub_norm", "ffn_sub_norm"), ("mlp.ffn_layernorm", "ffn_sub_norm"),
  ]

  /// The name in a GGUF file; one that is not known stays as it is.
  static func gguf(huggingFace name: String) -> String {
    if let pair = single.first(where: { $0.0 == name }) { return pair.1 }
    return translate(name, from: "model.layers.", to: "blk.") { part in
      new(part) { part in parts.first { $0.0 == part }?.1 }
    }
  }

  /// The name in a Hugging Face checkpoint; one that is not known stays as it is.
  static func huggingFace(gguf name: String) -> String {
    if let pair = single.first(where: { $0.1 == name }) { return pair.0 }
    return translate(name, from: "blk.", to: "model.layers.") { part in
      new(part) { part in parts.first { $0.1 == part }?.0 }
    }
  }

  /// The new name of a part, or of the norm inside it.
  private static func new(_ part: String, _ translate: (String) -> String?) -> String? {
    for norm in [".rms_norm", ".norm"] where part.hasSuffix(norm) {
      return translate(String(part.dropLast(norm.utf8.count))).map { $0 + norm }
    }
    return translate(part)
  }

  private static func translate(
    _ name: String, from prefix: String, to newPrefix: String, _ part: (String) -> String?
  ) -> String {
    guard name.hasPrefix(prefix) else { return name }
    let rest = name.dropFirst(prefix.count)
    guard let dot = rest.firstIndex(of: "."), let end = rest.lastIndex(of: "."), dot < end,
      rest[..<dot].allSatisfy({ ("0"..."9").contains($0) }), dot != rest.startIndex,
      let new = part(String(rest[rest.index(after: dot)..<end]))
    else { return name }
    return "\(newPrefix)\(rest[..<dot]).\(new)\(rest[end...])"
  }
}
