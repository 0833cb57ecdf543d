/// Whether a float matrix is quantized after training.
public enum WeightChoice: Sendable, Hashable {
  /// It becomes codes.
  case quantize
  /// It stays as it is, for a reason in words for the user: "a norm".
  case keep(String)

  /// The choice by the name of a tensor: matrices of linear layers are quantized, but not embeddings,
  /// norms, heads, and the small layers that choose experts or classes, in which every weight counts.
  public static func byName(_ name: String) -> WeightChoice {
    guard name.hasSuffix(".weight") else { return .keep("not a weight") }
    let layer = name.dropLast(7)
    let parts = layer.split(separator: ".")
    let last = parts.last.map(String.init) ?? ""
    if ["embed", "embd", "wte", "wpe"].contains(where: { layer.contains($0) }) {
      return .keep("an embedding")
    }
    if layer.contains("norm") { return .keep("a norm") }
    // GGUF calls the head "output", and a projection of the attention "attn_output".
    if layer.contains("lm_head") || last == "output" { return .keep("a language model's head") }
    let routers: Set = [
      "gate", "router", "shared_expert_gate", "ffn_gate_inp", "ffn_gate_inp_shexp", "wg",
    ]
    if routers.contains(last) || parts.contains("router") { return .keep("a router of experts") }
    let heads: Set = [
      "score", "classifier", "classification_head", "cls", "cls_head", "pooler", "head",
      "qa_outputs", "v_head", "value_head",
    ]
    if parts.contains(where: { heads.contains(String($0)) }) { return .keep("a classifier") }
    return .quantize
  }
}
