import BitFormats
import Testing

/// The names of tensors, from one kind of file to the other and back.
@Suite struct DecoderNameTests {
  private static func translate(
    _ name: String, _ from: DecoderTensor.Naming, _ to: DecoderTensor.Naming
  ) -> String? {
    DecoderTensorName(name, in: from)?.name(in: to)
  }

  @Test(arguments: [
    ("model.embed_tokens.weight", "token_embd.weight"), ("lm_head.weight", "output.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight"),
    ("model.layers.11.self_attn.o_proj.bias", "blk.11.attn_output.bias"),
    ("model.layers.3.mlp.gate_proj.weight_scale", "blk.3.ffn_gate.weight_scale"),
    ("model.layers.3.self_attn.k_norm.weight", "blk.3.attn_k_norm.weight"),
    ("model.layers.3.mlp.ffn_sub_norm.weight", "blk.3.ffn_sub_norm.weight"),
    ("model.layers.3.post_attention_layernorm.weight", "blk.3.ffn_norm.weight"),
    ("model.layers.3.mlp.down_proj.norm.weight", "blk.3.ffn_down_norm_in.weight"),
    ("model.layers.3.mlp.down_proj.rms_norm.weight", "blk.3.ffn_down.rms_norm.weight"),
  ])
  func `A name and its twin`(huggingFace: String, gguf: String) {
    #expect(Self.translate(huggingFace, .huggingFace, .gguf) == gguf)
    #expect(Self.translate(gguf, .gguf, .huggingFace) == huggingFace)
  }

  @Test func `Other spellings`() {
    #expect(
      Self.translate("model.layers.2.mlp.ffn_layernorm.weight", .huggingFace, .gguf)
        == "blk.2.ffn_sub_norm.weight")
    #expect(
      Self.translate("layers.2.self_attn.inner_attn_ln.weight", .huggingFace, .gguf)
        == "blk.2.attn_sub_norm.weight")
    #expect(
      Self.translate("blk.2.ffn_up.norm.weight", .gguf, .huggingFace)
        == "model.layers.2.mlp.up_proj.norm.weight")
    #expect(Self.translate("norm.weight", .huggingFace, .gguf) == "output_norm.weight")
  }

  @Test(arguments: [
    "", "weight", "model.weight", "model.layers.0.weight", "model.layers.00.mlp.up_proj.weight",
    "model.layers.-1.mlp.up_proj.weight", "model.layers.+1.mlp.up_proj.weight",
    "model.layers.9999999999.mlp.up_proj.weight", "model.layers.0.mlp.up_proj",
    "model.layers.0..weight", "model.model.norm.weight", "model.layers.0.mlp.up_proj.x.weight",
    "blk.0.attn_q.weight", "model.layers.\u{661}.mlp.up_proj.weight",
  ])
  func `Names that are not known`(name: String) {
    #expect(DecoderTensorName(name, in: .huggingFace) == nil)
  }
}
