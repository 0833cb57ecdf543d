import BitCore
import BitLM
import Foundation
import Testing

/// `bitlinear embed`.
@Suite struct EmbedTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func floats(_ line: Substring) throws -> [Float] {
    let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
    return try #require(value as? [Double]).map { Float($0) }
  }

  @Test func eachLineBecomesAVector() async throws {
    let model = try LanguageModel.load(path: Models.qwen)
    let texts = ["The sea.", "", "An old man"]
    let expected = try texts.map {
      try model.embedding(ids: model.requiredTokenizer().encode($0))
    }
    let run = try await Program.run(
      ["embed", Models.qwen], input: texts.joined(separator: "\n") + "\n")
    #expect(run.code == 0 && run.error == "")
    #expect(try run.output.split(separator: "\n").map(floats) == expected)
    #expect(abs(expected[0].reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)

    let json = try await Program.run(["embed", Models.qwen, "-p", "The sea.\nx", "--json"]).json()
    let data = try #require(json["data"] as? [[String: Any]])
    #expect(data.count == 1 && json["dimensions"] as? Int == 128)
  }

  @Test(arguments: [["--no-normalize"], ["--embd-normalize", "-1"]])
  func vectorsNeedNotBeNormalized(options: [String]) async throws {
    let model = try LanguageModel.load(path: Models.qwen)
    let expected = try model.embedding(ids: [1, 2, 3], isNormalized: false)
    let run = try await Program.run(["embed", Models.qwen, "--ids", "1,2,3"] + options)
    #expect(try floats(run.output.dropLast()) == expected)
  }

  @Test func badInputIsRefused() async throws {
    try await Program.run(["embed", Models.qwen, "--ids", "320"]).expectRefusal(
      source: "text", found: "the id 320", expected: "ids from 0 to 319")
    try await Program.run(["embed", Models.qwen, "--embd-normalize", "1"]).expectUsageError(
      "'1' is invalid for '--embd-normalize'. Please provide 2 or -1.", usage: "bitlinear embed")
  }
}
