import BitCore
import BitLM
import BitTokenizers
import Foundation
import Testing

/// `bitlinear generate`.
@Suite struct GenerateTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func generate(
    _ more: [String], model: String = Models.llama, environment: [String: String] = [:],
    input: String? = nil
  ) async throws -> Program.Run {
    try await Program.run(
      ["generate", model, "--temp", "0"] + more, environment: environment, input: input)
  }

  @Test(arguments: [
    ("llama-b158-256", "a8", []), ("llama-b158-64-rope3", "a8", []),
    ("qwen3-t128-tied", "a16", []), ("qwen3-s128-untied", "a16", ["--activations", "float"]),
  ])
  func greedyTokensAreThoseOfTheReference(
    name: String, kind: String, options: [String]
  ) async throws {
    let (prompt, expected) = try Models.greedy(name, kind: kind)
    let run = try await generate(
      ["--ids", Models.list(prompt), "-n", "\(expected.count)", "--ignore-eos", "--json"] + options,
      model: Models.path(name))
    #expect(run.code == 0 && run.error == "")
    #expect(try run.ids() == expected)
    #expect(try run.json()["finish_reason"] as? String == "length")
  }

  @Test func textAndNumbersAreThoseOfTheLibrary() async throws {
    let model = try LanguageModel.load(path: Models.llama)
    let options = GenerationOptions(
      sampling: SamplingOptions(
        temperature: 1.3, topK: 50, topP: 0.9, minP: 0.01, repetitionPenalty: 1.2,
        frequencyPenalty: 0.5, presencePenalty: -0.25, penaltyWindow: 20,
        logitBias: [7: 3, 9: -.infinity], seed: 42),
      maxTokens: 40, ignoresEndOfText: true)
    let expected = try model.generate(prompt: "Once upon", options: options)
    let arguments = [
      "generate", "-m", Models.llama, "-p", "Once upon", "-n", "40", "--temp", "1.3", "--top-k",
      "50", "--top-p", "0.9", "--min-p", "0.01", "--repeat-penalty", "1.2",
      "--frequency-penalty", "0.5", "--presence-penalty", "-0.25", "--repeat-last-n", "20",
      "--logit-bias", "7+3", "--logit-bias", "9-inf", "--seed", "42", "--ignore-eos",
    ]
    let run = try await Program.run(arguments + ["--json"])
    #expect(run.code == 0 && run.error == "")
    #expect(try run.ids() == expected.ids)
    let json = try run.json()
    #expect(json["text"] as? String == expected.text)
    #expect(json["seed"] as? Int == 42)
    #expect(json["prompt_tokens"] as? Int == expected.promptTokens)
    #expect(json["generated_tokens"] as? Int == 40)
    let timings = try #require(json["timings"] as? [String: Double])
    #expect(
      timings.keys.sorted() == [
        "generated_tokens_per_second", "generation_seconds", "load_seconds", "prompt_seconds",
        "prompt_tokens_per_second",
      ])
    #expect(timings.values.allSatisfy { $0 > 0 && $0.isFinite })
    let memory = try #require(json["memory"] as? [String: Double])
    #expect(memory.values.allSatisfy { $0 > 0 && $0.isFinite } && memory.count == 5)

    let shown = try await Program.run(arguments)
    #expect(shown.code == 0 && shown.output == expected.text + "\n")
    for part in ["Load: ", "Prompt: ", "Generation: 40 tokens", "of the memory limit", "seed 42"] {
      #expect(shown.error.contains(part), "\(part)")
    }
    #expect(!shown.error.contains("━") && !shown.error.contains("\u{1B}"))
  }

  @Test func textDependsOnTheSeedAlone() async throws {
    let arguments = ["generate", Models.qwen, "-p", "The", "-n", "30", "--temp", "2", "--json"]
    var texts: Set<[Int32]> = []
    for more in [
      ["-t", "1"], ["-t", "3", "-b", "1"], ["--draft-ngram", "8"],
    ] {
      texts.insert(try await Program.run(arguments + ["-s", "5"] + more).ids())
    }
    for kernels in ["scalar", "avx2"] {
      let run = try await Program.run(
        arguments + ["-s", "5"], environment: ["BITLINEAR_CPU": kernels])
      // Not every machine can run every set.
      if run.code == 0 { texts.insert(try run.ids()) }
    }
    #expect(texts.count == 1)
    let other = try await Program.run(arguments + ["-s", "6"]).ids()
    #expect(!texts.contains(other))
    let first = try await Program.run(arguments).json()["seed"] as? Int
    let second = try await Program.run(arguments).json()["seed"] as? Int
    #expect(first != nil && first != second)
  }

  @Test func stopStringsEndTheText() async throws {
    let whole = try await generate(["-p", "Once", "-n", "24", "--json"])
    let text = try #require(try whole.json()["text"] as? String)
    let scalars = Array(text.unicodeScalars)
    let stop = String(String.UnicodeScalarView(scalars[6..<8]))
    let run = try await generate(["-p", "Once", "-n", "24", "--stop", stop, "--json"])
    let json = try run.json()
    let place = try #require(text.range(of: stop, options: .literal))
    #expect(json["text"] as? String == String(text[..<place.lowerBound]))
    #expect(json["finish_reason"] as? String == "stop")
    #expect(json["stop_string"] as? String == stop)
    let reverse = try await generate(["-p", "Once", "-n", "24", "-r", "never there", "-r", stop])
    #expect(reverse.output == String(text[..<place.lowerBound]) + "\n")
  }

  @Test func logProbabilitiesAreThoseOfTheLogits() async throws {
    let run = try await generate(["--ids", "312,5,92", "-n", "3", "--logprobs", "2", "--json"])
    let tokens = try #require(try run.json()["logprobs"] as? [[String: Any]])
    let ids = try run.ids()
    let model = try LanguageModel.load(path: Models.llama)
    let logits = try Models.logits(model, [312, 5, 92] + ids)
    #expect(tokens.count == 3)
    for (index, token) in tokens.enumerated() {
      #expect(token["id"] as? Int == Int(ids[index]))
      let expected = -Models.loss(logits[index + 2], ids[index])
      #expect(abs(try #require(token["logprob"] as? Double) - expected) < 1e-6)
      let top = try #require(token["top"] as? [[String: Any]])
      #expect(top.count == 2 && top[0]["id"] as? Int == Int(ids[index]))
    }
  }

  @Test func promptComesFromFilesAndStandardInput() async throws {
    let direct = try await generate(["-p", "Old man", "-n", "8", "--json"]).ids()
    let path = try folder.write("prompt", "Old man\n")
    #expect(try await generate(["-f", path, "-n", "8", "--json"]).ids() == direct)
    #expect(try await generate(["-n", "8", "--json"], input: "Old man\n").ids() == direct)
    #expect(try await generate(["-f", "-", "-n", "8", "--json"], input: "Old man").ids() == direct)
    let other = try await generate(["-p", "Old man\n", "-n", "8", "--json"])
    #expect(try other.json()["prompt_tokens"] as? Int != nil && other.ids() != direct)
    let broken = try folder.write("broken", [0x41, 0xff])
    try await generate(["-f", broken]).expectRefusal(
      source: broken, found: "bytes that are not UTF-8", expected: "text in UTF-8")
  }

  @Test func chatRendersTheTemplate() async throws {
    let model = try LanguageModel.load(path: Models.qwen)
    let messages = [
      ChatMessage(role: "system", content: "Be brief."),
      ChatMessage(role: "user", content: "Who are you?"),
    ]
    let options = GenerationOptions(sampling: .greedy, maxTokens: 6)
    for template in [nil, "chatml"] {
      let chosen = try template.map { (name) in try ChatTemplate.named(name) }
      let format = TemplateChatFormat(
        try model.requiredTokenizer(), try chosen ?? model.requiredChatTemplate())
      let prompt = try format.prompt(for: messages)
      let run = try await generate(
        ["--chat", "--system", "Be brief.", "-p", "Who are you?", "-n", "6", "--json"]
          + (template.map { ["--template", $0] } ?? []), model: Models.qwen)
      #expect(run.code == 0, "\(run.error)")
      #expect(try run.json()["prompt_tokens"] as? Int == prompt.count)
      #expect(try run.ids() == model.generate(ids: prompt, options: options).ids)
    }
    let file = try folder.write("t.jinja", "{{ messages[0].content }}!")
    let run = try await generate(
      ["--chat", "-p", "Hi", "--template", file, "-n", "6", "--json"], model: Models.qwen)
    let plain = try model.requiredTokenizer().encode("Hi!", addSpecialTokens: false)
    #expect(try run.json()["prompt_tokens"] as? Int == plain.count)
  }

  @Test func tooLongPromptIsToldWithBothNumbers() async throws {
    let ids = Models.list((0..<256).map { Int32($0 % 300) })
    try await generate(["--ids", ids]).expectRefusal(
      source: "prompt", found: "256 tokens", expected: "fewer than 256, the length of the context")
    try await generate(["--ids", "1,2,3,4,5,6,7,8", "-c", "8"]).expectRefusal(
      source: "prompt", found: "8 tokens", expected: "fewer than 8, the length of the context")
    let full = try await generate(["--ids", "1,2,3,4", "-c", "8", "--ignore-eos", "--json"])
    #expect(try full.json()["finish_reason"] as? String == "length")
    #expect(try full.ids().count == 4)
  }

  @Test func badInputIsRefused() async throws {
    let missing = folder.path("none")
    let run = try await generate(["-p", "a"], model: missing)
    #expect(run.code == 1 && run.output == "" && run.error.contains(missing))
    try await generate(["-f", missing]).expectRefusal(
      source: missing, found: "No such file", expected: "a readable file")
    try await generate(["--ids", "1,320"]).expectRefusal(
      source: "prompt", found: "the id 320", expected: "ids from 0 to 319")
    try await generate(["-p", "a", "--logit-bias", "320+1"]).expectRefusal(
      source: "logit bias", found: "id 320", expected: "ids below 320")
    try await generate(["-p", "a", "-c", "257"]).expectRefusal(
      source: Models.llama, found: "a context of 257 tokens", expected: "1 to 256")
    try await generate(["-p", "a", "--chat", "--template", "nope"]).expectRefusal(
      source: "--template", found: "\"nope\"", expected: "a file or one of chatml")
    try await generate(["-p", "a", "--i2s-layout", "x86"]).expectRefusal(
      source: "--i2s-layout", found: Models.llama, expected: "a GGUF file")
    let text = try folder.write("model.gguf", "GGUF")
    #expect(try await generate(["-p", "a"], model: text).code == 1)
  }
}
