import Foundation
import Testing

/// What `bitlinear inspect` says of a language model.
@Suite struct InspectLanguageModelTests {
  @Test(arguments: [
    ("llama-b158-256", "llama", "ternary", "int8 per token"),
    ("qwen3-t128-tied", "qwen3", "ternary", "float, with quantized weights"),
    ("bitnet-64-long", "bitnet", "ternary", "int8 per token"),
    ("gguf/qwen3-s128-untied-q1_0.gguf", "qwen3", "sign", "float, with quantized weights"),
    ("gguf/llama-float-64-q8_0.gguf", "llama", "other", "float"),
  ])
  func kindAndParametersAreShown(
    name: String, architecture: String, kind: String, activations: String
  ) async throws {
    let run = try await Program.run(["inspect", Models.path(name), "--json"])
    #expect(run.code == 0)
    let model = try #require(try run.json()["language_model"] as? [String: Any])
    #expect(model["architecture"] as? String == architecture)
    #expect(model["activations"] as? String == activations)
    #expect(model["vocabulary"] as? Int == 320 && model["chat_template"] as? Bool == true)
    #expect(model["tokenizer"] as? String == "byte-level BPE")
    let parameters = try #require(model["parameters"] as? [String: Int])
    let total = try #require(parameters["total"])
    #expect(
      ["ternary", "sign", "embedding", "other"].reduce(0) { $0 + (parameters[$1] ?? 0) } == total)
    let hidden = try #require(model["hidden_size"] as? Int)
    let tables = try #require(model["tied"] as? Bool) ? 1 : 2
    #expect(parameters["embedding"] == tables * 320 * hidden)
    // The linear layers of all layers.
    func number(_ key: String) -> Int { model[key] as? Int ?? 0 }
    let heads = (2 * number("heads") + 2 * number("key_value_heads")) * number("head_length")
    let linear = number("layers") * hidden * (heads + 3 * number("feed_forward_size"))
    #expect(linear > 0 && (parameters[kind] ?? 0) >= linear)
    #expect(kind == "other" || parameters[kind] == linear)

    let table = try await Program.run(["inspect", Models.path(name)])
    #expect(table.output.contains("architecture") && table.output.contains(architecture))
  }

  @Test func otherModelsHaveNone() async throws {
    let folder = try TemporaryFolder()
    let data = try TinyData().writeIDX(in: folder)
    let trained = try await Program.run(
      trainArguments(data: data, out: folder.path("run"), epochs: 1))
    #expect(trained.code == 0)
    let path = folder.path("run/packed.safetensors")
    let json = try await Program.run(["inspect", path, "--json"]).json()
    #expect(json["language_model"] == nil && (json["problems"] as? [Any])?.isEmpty == true)
  }
}
