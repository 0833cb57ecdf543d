import BitCore
import BitTokenizers
import Foundation
import Testing

/// `bitlinear tokenize`.
@Suite struct TokenizeTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let text = "The old man's 1234 fishes, naïve 日本 <|begin_of_text|>\n\tend 🎣"

  @Test(arguments: [
    "llama-b158-256", "llama-b158-256/tokenizer.json", "llama-b158-256/model.safetensors",
    "gguf/llama-b158-256-tq2_0.gguf",
  ])
  func modelsOfAllKindsHaveTheirTokenizer(name: String) async throws {
    let tokenizer = try Tokenizer(folder: Models.llama)
    let path = Models.path(name)
    for (options, special, parse) in [
      ([], true, true), (["--no-bos"], false, true), (["--no-parse-special"], true, false),
    ] {
      let expected = try tokenizer.encode(
        Self.text, addSpecialTokens: special, parseSpecial: parse)
      let run = try await Program.run(
        ["tokenize", path, "--json", "-p", Self.text] + options)
      #expect(run.code == 0 && run.error == "")
      #expect(try run.ids() == expected)
      let pieces = try #require(try run.json()["pieces"] as? [String])
      #expect(pieces.count == expected.count)
      let list = try await Program.run(
        ["tokenize", "-m", path, "--ids"] + options, input: Self.text)
      #expect(list.output == "[\(expected.map(\.description).joined(separator: ", "))]\n")
    }
  }

  @Test func idsBecomeTheTextAgain() async throws {
    let ids = try await Program.run(
      ["tokenize", Models.qwen, "--ids", "--no-bos"], input: Self.text)
    let text = try await Program.run(["tokenize", Models.qwen, "--decode"], input: ids.output)
    #expect(text.code == 0 && text.output == Self.text + "\n")
    let json = try await Program.run([
      "tokenize", Models.qwen, "--decode", "--json", "-p", "39, 72",
    ])
    #expect(try json.json()["text"] as? String == "Hi")
  }

  @Test func eachTokenIsALine() async throws {
    let run = try await Program.run(["tokenize", Models.qwen, "-p", "H'\\\n日"])
    let lines = run.output.split(separator: "\n")
    #expect(lines.first == "312 '<|begin_of_text|>'")
    #expect(lines[1] == " 39 'H'")
    #expect(run.output.contains(#"'\''"#) && run.output.contains(#"'\\'"#))
    #expect(run.output.contains(#"'\n'"#))
    #expect(run.output.contains(#"'\xE6'"#) || run.output.contains("日"))
  }

  @Test func badInputIsRefused() async throws {
    try await Program.run(["tokenize", Models.qwen, "--decode", "-p", "1,x"]).expectRefusal(
      source: "--prompt", found: "\"1,x\"", expected: "ids with commas or spaces between them")
    try await Program.run(["tokenize", Models.qwen, "--decode", "-p", "320"]).expectRefusal(
      source: "--prompt", found: "the id 320", expected: "ids of tokens, below 320")
    try await Program.run(["tokenize", folder.path(""), "-p", "a"]).expectRefusal(
      source: folder.path("/tokenizer.json"), found: "No such file", expected: "a readable file")
    let file = try folder.write("tokenizer.json", "{}")
    #expect(try await Program.run(["tokenize", file, "-p", "a"]).code == 1)
    for (arguments, message) in [
      ([], "Missing expected argument '<model>'"),
      (["M", "-p", "a", "-f", "b"], "Please provide '--prompt' or '--file', not both."),
      (["M", "--ids", "--json"], "Please provide '--ids' or '--json', not both."),
      (["M", "--decode", "--no-bos"], "'--decode' goes from ids to text"),
    ] {
      try await Program.run(["tokenize"] + arguments).expectUsageError(
        message, usage: "bitlinear tokenize")
    }
  }
}
