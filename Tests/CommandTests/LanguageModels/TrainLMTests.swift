import BitFormats
import BitTokenizers
import Foundation
import Testing

/// `bitlinear train-lm`.
@Suite struct TrainLMTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let modelFiles = [
    "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
    "tokenizer_config.json",
  ]

  @Test(arguments: ["llama", "bitnet"])
  func aModelIsTrainedAndRuns(family: String) async throws {
    let data = try TinyTexts.write(in: folder)
    let out = folder.path("run")
    let run = try await Program.run(
      TinyTexts.trainArguments(
        data: data, out: out, ["--family", family, "--baseline", "--json", "--prompt", "the cat"]))
    #expect(run.code == 0 && run.complaints == [], "\(run.error)")
    #expect(
      folder.names("run") == [
        "baseline", "baseline-checkpoint.safetensors", "baseline-metrics.jsonl",
        "checkpoint.safetensors", "curves.svg", "metrics.jsonl", "model", "packed", "report.html",
      ])
    for name in ["baseline", "model", "packed"] {
      #expect(folder.names("run/\(name)") == Self.modelFiles)
    }
    let json = try run.json()
    func number(_ key: String) throws -> Double {
      try #require((json[key] as? NSNumber)?.doubleValue, "\(key) is missing")
    }
    #expect(json["recipe"] as? String == "b158" && json["packed_equal"] as? Bool == true)
    #expect(json["model"] as? String == "\(out)/packed")
    #expect(try number("steps") == 6)
    #expect(try number("bits_per_character") == number("packed_bits_per_character"))
    let language = try number("language_model_bits_per_character")
    #expect(try abs(language / number("bits_per_character") - 1) < 1e-4)
    let baseline = try number("baseline_bits_per_character")
    #expect(
      try abs(number("excess_over_baseline") - (number("bits_per_character") / baseline - 1))
        < 1e-12)
    for (key, name) in [("model", "model"), ("packed", "packed"), ("baseline", "baseline")] {
      let size = try folder.bytes("run/\(name)/model.safetensors").count
      #expect(try Int(number("\(key)_bytes")) == size)
    }
    for key in ["tokens_per_second", "baseline_tokens_per_second", "perplexity", "threads"] {
      #expect(try number(key) > 0, "\(key)")
    }

    // Progress: a line for each validation of each model.
    let lines = run.error.split(separator: "\n")
    #expect(lines.count == 10)
    #expect(lines[0].hasPrefix("Training b158, ") && lines[5].hasPrefix("Training float, "))
    #expect(lines[1].hasPrefix("Step 0/6  validation loss "))
    #expect(lines[4].hasPrefix("Step 6/6  validation loss "))
    let metrics = try folder.text("run/metrics.jsonl").split(separator: "\n")
    #expect(metrics.count == 7 && metrics.allSatisfy { $0.hasPrefix("{") })
    let report = try folder.text("run/report.html")
    #expect(report.contains("the cat") && report.contains("float") && report.hasPrefix("<!DOCTYPE"))

    // Each of the models writes text, and the packed one goes on to other files.
    for name in ["baseline", "model", "packed"] {
      let text = try await Program.run(
        ["generate", "\(out)/\(name)", "--prompt", "the", "-n", "4", "--temp", "0"])
      #expect(text.code == 0, "\(text.error)")
    }
    let gguf = folder.path("model.gguf")
    let conversion = try await Program.run(["convert", "\(out)/model", "-o", gguf])
    #expect(conversion.code == 0, "\(conversion.error)")
    let perplexity = try await Program.run(["perplexity", gguf, "--file", data, "--ctx-size", "16"])
    #expect(perplexity.code == 0, "\(perplexity.error)")
  }

  @Test func floatModelsHaveNoPackedOne() async throws {
    let data = try TinyTexts.write(in: folder)
    let arguments = TinyTexts.trainArguments(data: data, out: folder.path("run"), iters: 2)
    #expect(try await Program.run(arguments).code == 0)
    #expect(folder.names("run/packed") == Self.modelFiles)
    // The packed model of the earlier run would look like this one's.
    let run = try await Program.run(arguments + ["--recipe", "float", "--json"])
    #expect(run.code == 0 && run.complaints == [], "\(run.error)")
    #expect(!folder.names("run/packed").contains("config.json"))
    let json = try run.json()
    for key in ["packed_bits_per_character", "packed_equal", "packed_bytes"] {
      #expect(json[key] is NSNull, "\(key)")
    }
    #expect(json["model"] as? String == folder.path("run/model"))
    let other = try await Program.run(
      TinyTexts.trainArguments(
        data: data, out: folder.path("other"), iters: 1, ["--recipe", "float"]))
    #expect(other.code == 0 && !folder.names("other").contains("packed"))
  }

  /// The same seed gives the same bytes, with any number of threads; another seed others.
  @Test func resultsDependOnTheSeedAlone() async throws {
    let data = try TinyTexts.write(in: folder)
    for (out, seed, threads) in [("a", "1", "1"), ("b", "1", "2"), ("c", "2", "1")] {
      let run = try await Program.run(
        TinyTexts.trainArguments(
          data: data, out: folder.path(out), iters: 3,
          ["--seed", seed] + (out == "b" ? ["--grad-checkpoint"] : [])),
        environment: ["BITLINEAR_THREADS": threads])
      #expect(run.code == 0 && run.complaints == [], "\(run.error)")
    }
    for name in ["model", "packed"] {
      let files = try ["a", "b", "c"].map { try folder.bytes("\($0)/\(name)/model.safetensors") }
      #expect(files[0] == files[1] && files[0] != files[2])
    }
  }

  /// A tokenizer of one's own, documents in JSONL, prompts that are not learned, several batches a
  /// step, and a folder with texts to validate with.
  @Test func dataOfOtherKinds() async throws {
    let text = try TinyTexts.write(in: folder)
    let tokenizer = folder.path("tokenizer")
    let vocabulary = try await Program.run(
      ["tokenize", "--train", text, "--vocab-size", "270", "--out", tokenizer])
    #expect(vocabulary.code == 0, "\(vocabulary.error)")
    try folder.make("data")
    let lines = (0..<40).map { #"{"prompt": "two and \#($0) is", "completion": " \#($0 + 2)"}"# }
    try folder.write("data/train.jsonl", lines.joined(separator: "\n") + "\n")
    try folder.write("data/valid.jsonl", lines.prefix(8).joined(separator: "\n") + "\n")
    let run = try await Program.run(
      TinyTexts.trainArguments(
        data: folder.path("data"), out: folder.path("run"), iters: 4,
        [
          "--tokenizer", tokenizer, "--mask-prompt", "--grad-accumulation-steps", "3",
          "--tie-embeddings", "--lr-schedule", "cosine", "--quantization-warmup", "3", "--json",
        ]))
    #expect(run.code == 0 && run.complaints == [], "\(run.error)")
    #expect(try run.json()["packed_equal"] as? Bool == true)
    #expect(
      try folder.bytes("run/packed/tokenizer.json") == folder.bytes("tokenizer/tokenizer.json"))
    #expect(run.error.contains("96 tokens a step"))
  }

  @Test func trainingWithoutValidationAndWithoutSteps() async throws {
    let data = try TinyTexts.write(in: folder)
    let run = try await Program.run(
      TinyTexts.trainArguments(
        data: data, out: folder.path("run"), iters: 1, ["--validation-share", "0", "--json"]))
    #expect(run.code == 0 && run.complaints == [], "\(run.error)")
    #expect(try run.json()["bits_per_character"] is NSNull)
    #expect(try folder.text("run/report.html").contains("There are no validation texts."))
    let none = try await Program.run(
      TinyTexts.trainArguments(data: data, out: folder.path("none"), iters: 0))
    #expect(none.code == 0 && none.complaints == [], "\(none.error)")
    // A model that reads one token has no place to write another.
    let one = try await Program.run(
      TinyTexts.trainArguments(
        data: data, out: folder.path("one"), iters: 1, ["--max-seq-length", "1"]))
    #expect(one.code == 0 && one.complaints == [], "\(one.error)")
  }

  @Test func trainingStopsEarly() async throws {
    let data = try TinyTexts.write(in: folder)
    let arguments = TinyTexts.trainArguments(
      data: data, out: folder.path("run"), iters: 50,
      ["--learning-rate", "1e-30", "--weight-decay", "0", "--patience", "2", "--json"])
    let run = try await Program.run(arguments)
    #expect(run.code == 0, "\(run.error)")
    #expect(
      run.complaints == ["Stopped early: the validation loss does not fall any more"])
    #expect(try run.json()["steps"] as? Int == 4)
    // It is finished, so that it may be resumed and replaced.
    #expect(try await Program.run(arguments + ["--resume"]).code == 0)
    #expect(try await Program.run(arguments).code == 0)
  }
}
