import BitCore
import BitFiles
import Foundation
import Testing

@testable import BitFormats

/// Configurations that lie, or describe what is not run here.
@Suite struct DecoderErrorTests {
  /// A change to a configuration, and what the error must say.
  struct Change: Sendable, CustomTestStringConvertible {
    let key: String
    let value: JSONValue?
    let error: String

    init(_ key: String, _ value: JSONValue?, _ error: String) {
      (self.key, self.value, self.error) = (key, value, error)
    }

    var testDescription: String { "\(key) \(value?.encoded ?? "absent")" }
  }

  /// Opens a golden folder with other members in its `config.json`.
  private static func read(
    _ name: String, _ changes: [(String, JSONValue?)], files: [String: String] = [:]
  ) throws -> DecoderConfiguration {
    try withTemporaryFolder { folder in
      let source = try DecoderConfigurationTests.path(name)
      try FileManager.default.copyItem(
        atPath: "\(source)/model.safetensors", toPath: "\(folder)/model.safetensors")
      var config = try #require(ModelFile(path: source).config)
      for (key, value) in changes { config[key] = value }
      try AtomicFile.write(JSONValue.object(config).encoded, to: "\(folder)/config.json")
      for (name, text) in files {
        try FileManager.default.createDirectory(
          atPath: "\(folder)/1_Pooling", withIntermediateDirectories: true)
        try AtomicFile.write(text, to: "\(folder)/\(name)")
      }
      return try DecoderConfiguration(ModelFile(path: folder))
    }
  }

  private static func expectError(
    _ text: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> DecoderConfiguration
  ) {
    do {
      let read = try body()
      Issue.record("read \(read)", sourceLocation: sourceLocation)
    } catch {
      #expect("\(error)".contains(text), sourceLocation: sourceLocation)
    }
  }

  static let changes: [Change] = [
    Change("model_type", "gpt2", #"model_type "gpt2""#), Change("model_type", nil, "no model_type"),
    Change("hidden_size", nil, "no hidden_size"), Change("hidden_size", 0, "hidden_size 0"),
    Change("hidden_size", -256, "hidden_size -256"), Change("hidden_size", 1e300, "hidden_size"),
    Change("hidden_size", "256", "hidden_size"), Change("hidden_size", 128, "expected [128, 256]"),
    Change("num_hidden_layers", 3, "2 layers, up to number 1, expected 3"),
    Change("num_hidden_layers", 1, "expected 1 layers"),
    Change("num_hidden_layers", 9_223_372_036_854_775_807, "num_hidden_layers"),
    Change("num_attention_heads", 3, "expected [256, 96]"),
    Change("num_attention_heads", 0, "num_attention_heads 0"),
    Change("num_key_value_heads", 8, "[256, 256]"), Change("head_dim", 33, "expected [66, 256]"),
    Change("head_dim", 64, "expected [128, 256]"), Change("vocab_size", 321, "[321, 256]"),
    Change("intermediate_size", 512, "expected [256, 512]"),
    Change("rms_norm_eps", -1, "rms_norm_eps -1"),
    Change("rms_norm_eps", "x", "rms_norm_eps"),
    Change("hidden_act", "gelu", "hidden_act \"gelu\""),
    Change("rope_theta", 0, "rope_theta 0"), Change("attention_bias", true, "attention_bias true"),
    Change("mlp_bias", true, "mlp_bias true"), Change("sliding_window", 16, "sliding_window 16"),
    Change("use_sliding_window", true, "use_sliding_window true"),
    Change("partial_rotary_factor", 0.5, "partial_rotary_factor 0.5"),
    Change("num_local_experts", 8, "num_local_experts 8"),
    Change("layer_types", ["sliding_attention"], "layer_types"),
    Change("tie_word_embeddings", true, "other numbers"),
    Change("tie_word_embeddings", 1, "tie_word_embeddings 1"),
    Change("eos_token_id", "x", "eos_token_id"),
    Change("eos_token_id", [1, -1], "eos_token_id -1"),
    Change("bos_token_id", 1.5, "bos_token_id 1.5"),
    Change("rope_scaling", "yarn", "rope_scaling"),
    Change("rope_scaling", ["rope_type": "dynamic", "factor": 2], #""dynamic""#),
    Change("rope_scaling", ["rope_type": "linear"], "no factor"),
    Change("rope_scaling", ["rope_type": "linear", "factor": 0], "factor 0"),
    Change("rope_scaling", ["rope_type": "yarn", "factor": 4, "truncate": false], "truncate"),
    Change("rope_scaling", ["rope_type": "yarn", "factor": 4, "mscale": 1], "mscale 1"),
    Change("rope_scaling", ["type": "yarn", "factor": 0.5], "factor 0.5"),
    Change(
      "rope_scaling",
      [
        "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
        "original_max_position_embeddings": 32,
      ], "low_freq_factor 4"),
    Change(
      "rope_scaling",
      ["rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4],
      "no original_max_position_embeddings"),
    Change(
      "quantization_config",
      ["quant_method": "bitnet", "modules_to_not_convert": ["model.layers.0.mlp"]],
      "model.layers.0.mlp"),
  ]

  @Test(arguments: changes)
  func `A Hugging Face configuration`(change: Change) {
    Self.expectError(change.error) {
      try Self.read("lm/llama-b158-256", [(change.key, change.value)])
    }
  }

  @Test func `What has a default may be absent`() throws {
    let read = try Self.read(
      "lm/llama-b158-256",
      [
        ("head_dim", nil), ("tie_word_embeddings", nil), ("hidden_act", nil), ("rope_theta", nil),
        ("max_position_embeddings", nil), ("rms_norm_eps", nil), ("bos_token_id", .null),
        ("rope_parameters", ["rope_type": "linear", "rope_theta": 20_000, "factor": 2]),
      ])
    #expect(read.headLength == 32 && !read.tiesEmbeddings && read.activation == .silu)
    #expect(read.contextLength == 2048 && read.normEpsilon == 1e-6 && read.beginOfSequence == nil)
    #expect(read.rotary == RotaryEmbedding(theta: 20_000, length: 32, scaling: .linear(factor: 2)))
  }

  @Test func `Mistral attends to a window unless it says otherwise`() throws {
    let type: (String, JSONValue?) = ("model_type", "mistral")
    Self.expectError("no sliding_window") { try Self.read("lm/llama-b158-256", [type]) }
    let read = try Self.read("lm/llama-b158-256", [type, ("sliding_window", .null)])
    #expect(read.family == .llama)
    let whole = try Self.read("lm/llama-b158-256", [type, ("sliding_window", 256)])
    #expect(whole == read)
  }

  @Test func `1bitLLM's models call themselves llama`() throws {
    let read = try Self.read(
      "tiny64-offline-bitlinear-f32-untied",
      [
        ("model_type", "llama"), ("architectures", ["BitnetForCausalLM"]), ("hidden_act", "silu"),
        ("rope_theta", nil),
      ])
    #expect(read.family == .bitnet && read.activation == .silu && read.rotary.theta == 10_000)
    // As llama, its norms would be left out.
    Self.expectError("a model of the family llama") {
      try Self.read(
        "tiny64-offline-bitlinear-f32-untied",
        [("model_type", "llama"), ("architectures", nil), ("hidden_act", "silu")])
    }
  }

  @Test func `How sentence-transformers pools`() throws {
    func read(_ pooling: String) throws -> DecoderConfiguration {
      try Self.read("lm/qwen3-t128-tied", [], files: ["1_Pooling/config.json": pooling])
    }
    #expect(try read(#"{"pooling_mode_lasttoken": true}"#).pooling == .lastToken)
    #expect(try read(#"{"pooling_mode_mean_tokens": true}"#).pooling == .mean)
    Self.expectError("pooling_mode_cls_token") { try read(#"{"pooling_mode_cls_token": true}"#) }
    Self.expectError("no known way") { try read("{}") }
  }
}
