import BitFormats
import Foundation
import Testing

/// `bitlinear finetune`.
@Suite struct FinetuneTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Folders with latent weights, files with packed and with float ones.
  @Test(arguments: [
    "bitnet-64-long", "qwen3-t128-tied", "gguf/llama-b158-64-rope3-f16.gguf",
    "gguf/llama-float-64-q8_0.gguf",
  ])
  func modelsOfAllKindsAreTrained(_ name: String) async throws {
    let data = try TinyTexts.write(in: folder)
    let out = folder.path("run")
    let run = try await Program.run(
      TinyTexts.finetuneArguments(Models.path(name), data: data, out: out, ["--json"]))
    #expect(run.code == 0 && run.complaints == [], "\(run.error)")
    let json = try run.json()
    #expect(json["packed_equal"] as? Bool == true && json["steps"] as? Int == 3)
    #expect(
      folder.names("run") == [
        "checkpoint.safetensors", "curves.svg", "metrics.jsonl", "model", "packed", "report.html",
      ])
    let text = try await Program.run(
      ["generate", "\(out)/packed", "--prompt", "the", "-n", "4", "--temp", "0"])
    #expect(text.code == 0, "\(text.error)")
    // What comes out can be trained again.
    let again = try await Program.run(
      TinyTexts.finetuneArguments(
        "\(out)/packed", data: data, out: folder.path("again"), iters: 1))
    #expect(again.code == 0 && again.complaints == [], "\(again.error)")
  }

  /// The first validation is that of the float model with its weights just quantized.
  @Test func theFirstValidationIsThatOfPlainQuantization() async throws {
    let data = try TinyTexts.write(in: folder)
    let model = Models.path("gguf/llama-float-64-q8_0.gguf")
    var losses: [String: Double] = [:]
    for recipe in ["b158", "float"] {
      let run = try await Program.run(
        TinyTexts.finetuneArguments(
          model, data: data, out: folder.path(recipe), iters: 0, ["--recipe", recipe, "--json"]))
      #expect(run.code == 0 && run.complaints == [], "\(run.error)")
      losses[recipe] = try run.json()["bits_per_character"] as? Double
    }
    let (ternary, float) = (try #require(losses["b158"]), try #require(losses["float"]))
    #expect(ternary != float)
    let quantized = folder.path("quantized")
    let run = try await Program.run([
      "quantize", "\(folder.path("float"))/model", "-o", quantized, "--recipe", "b158",
    ])
    #expect(run.code == 0, "\(run.error)")
    let again = try await Program.run(
      TinyTexts.finetuneArguments(
        quantized, data: data, out: folder.path("again"), iters: 0, ["--json"]))
    #expect(again.code == 0, "\(again.error)")
    let bits = try #require(try again.json()["bits_per_character"] as? Double)
    #expect(abs(bits / ternary - 1) < 1e-4)
  }

  @Test func aFloatModelIsTunedBesideIt() async throws {
    let data = try TinyTexts.write(in: folder)
    func run(_ model: String, _ out: String) async throws -> Program.Run {
      try await Program.run(
        TinyTexts.finetuneArguments(
          Models.path(model), data: data, out: folder.path(out), ["--baseline", "--json"]))
    }
    let result = try await run("gguf/llama-float-64-q8_0.gguf", "run")
    #expect(result.code == 0 && result.complaints == [], "\(result.error)")
    #expect(try result.json()["baseline_bits_per_character"] as? Double != nil)
    #expect(folder.names("run").contains("baseline"))
    let refused = try await run("bitnet-64-long", "other")
    #expect(refused.code == 1 && refused.error.contains("a model of ternary layers"))
    #expect(!folder.names("").contains("other"))
  }

  @Test func teachersAndSubNorms() async throws {
    let data = try TinyTexts.write(in: folder)
    let model = Models.path("llama-b158-64-rope3")
    let more = ["--distill", "0.5", "--temperature", "2", "--sub-norms"]
    let run = try await Program.run(
      TinyTexts.finetuneArguments(
        model, data: data, out: folder.path("run"), more + ["--json"]))
    #expect(run.code == 0 && run.complaints == [], "\(run.error)")
    #expect(try run.json()["packed_equal"] as? Bool == true)
    let config = try folder.text("run/packed/config.json")
    #expect(config.contains("bitnet"))
    // A finished run may be resumed, by one that is the same; otherwise it says what differs.
    let resumed = try await Program.run(
      TinyTexts.finetuneArguments(
        model, data: data, out: folder.path("run"), more + ["--resume"]))
    #expect(resumed.code == 0 && resumed.complaints == [], "\(resumed.error)")
    let other = try await Program.run(
      TinyTexts.finetuneArguments(
        model, data: data, out: folder.path("run"), ["--resume"]))
    other.expectRefusal(
      source: folder.path("run/checkpoint.safetensors"), found: "distillation 0.5 at 2.0",
      expected: "none, as given now")
  }

  @Test func modelsThatDoNotFitAreRefused() async throws {
    let data = try TinyTexts.write(in: folder)
    func refuse(
      _ model: String, _ more: [String] = [], source: String, found: String, expected: String
    ) async throws {
      let run = try await Program.run(
        TinyTexts.finetuneArguments(model, data: data, out: folder.path("run"), more))
      run.expectRefusal(source: source, found: found, expected: expected)
      #expect(folder.names("run").isEmpty)
    }
    try FileManager.default.copyItem(atPath: Models.llama, toPath: folder.path("bare"))
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try FileManager.default.removeItem(atPath: folder.path("bare/\(name)"))
    }
    let bare = folder.path("bare")
    try await refuse(
      bare, source: bare, found: "no tokenizer", expected: "tokenizer.json beside the tensors")
    let missing = folder.path("missing")
    try await refuse(
      missing, source: missing, found: "No such file", expected: "a readable file")
    try await refuse(
      Models.llama, ["--max-seq-length", "257"], source: "--max-seq-length",
      found: "257 tokens", expected: "at most 256")
    try await refuse(
      Models.qwen, ["--sub-norms"], source: "--sub-norms", found: "a model of the family qwen3",
      expected: "llama")
    let teacher = Models.path("llama-b158-64-rope3")
    let vocabulary = try vocabularySize(of: teacher)
    if vocabulary != 320 {
      try await refuse(
        Models.llama, ["--distill", "1", "--teacher", teacher], source: "training",
        found: "a teacher of \(vocabulary) tokens", expected: "320")
    }
    // A tokenizer with more tokens than the model has.
    try FileManager.default.copyItem(atPath: Models.llama, toPath: folder.path("small"))
    let text = try folder.text("small/config.json")
    #expect(text.contains("\"vocab_size\""))
    let tokenizer = try folder.text("small/tokenizer.json").replacing(
      "\"added_tokens\": [",
      with: """
        "added_tokens": [{"id": 4000, "content": "<|more|>", "single_word": false, \
        "lstrip": false, "rstrip": false, "normalized": false, "special": true},
        """)
    try folder.write("small/tokenizer.json", tokenizer)
    let run = try await Program.run(
      TinyTexts.finetuneArguments(folder.path("small"), data: data, out: folder.path("run")))
    #expect(run.code == 1 && run.complaints.count == 1, "\(run.error)")
    #expect(folder.names("run").isEmpty)
  }

  private func vocabularySize(of model: String) throws -> Int {
    try DecoderConfiguration(ModelFile(path: model)).vocabularySize
  }

  @Test(arguments: [
    ("--distill 2", "'2.0' is invalid for '--distill'. Please provide a number from 0 to 1."),
    ("--distill nan", "'nan' is invalid for '--distill'"),
    ("--distill 0.5 --temperature 0", "'0.0' is invalid for '--temperature'"),
    ("--teacher x", "'--teacher' needs '--distill'."),
    ("--recipe bitnet", "'bitnet' is invalid for '--recipe <recipe>'"),
    ("--model x", "as argument or with '--model', not both"),
  ])
  func badOptionIsAUsageError(options: String, message: String) async throws {
    let run = try await Program.run(
      TinyTexts.finetuneArguments(
        Models.llama, data: "data", out: folder.path("run"),
        options.components(separatedBy: " ")))
    run.expectUsageError(message, usage: "bitlinear finetune")
    #expect(folder.names("run").isEmpty)
  }
}
