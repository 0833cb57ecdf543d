import BitCore
import BitTokenizers
import Foundation
import Testing

/// `bitlinear tokenize --train`.
@Suite struct VocabularyTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let text =
    String(repeating: "the cat and the hat sat; ", count: 20) + "12 caf\u{e9}\n"

  /// Trains on a file of text and one of JSONL, in a folder.
  private func train(_ out: String, _ options: [String] = [], threads: Int = 2) async throws
    -> Program.Run
  {
    try folder.make("texts/more")
    try folder.write("texts/a.txt", Self.text)
    try folder.write(
      "texts/more/b.jsonl",
      #"{"prompt": "the cat?", "completion": "the hat."}"# + "\n"
        + #"{"messages": [{"role": "user", "content": "the bat"}]}"# + "\n")
    return try await Program.run(
      ["tokenize", "--train", folder.path("texts"), "--vocab-size", "267", "--out", out] + options,
      environment: ["BITLINEAR_THREADS": "\(threads)"])
  }

  @Test func aVocabularyIsMadeAndUsed() async throws {
    let out = folder.path("new/tokenizer")
    let run = try await train(out)
    #expect(run.code == 0 && run.error == "")
    #expect(run.lines[0] == "Vocabulary of 267 tokens in \(out)")
    let json = try await train(folder.path("other"), ["--json"], threads: 1).json()
    #expect(json["vocab_size"] as? Int == 267 && json["documents"] as? Int == 3)
    let texts = [Self.text, "the cat?", "the hat.", "the bat"]
    #expect(json["bytes"] as? Int == texts.reduce(0) { $0 + $1.utf8.count })
    let tokenizer = try Tokenizer(folder: out)
    #expect(
      try json["tokens"] as? Int == texts.reduce(0) { try $0 + tokenizer.encode($1).count })
    #expect(folder.names("new/tokenizer") == ["tokenizer.json", "tokenizer_config.json"])
    #expect(try folder.contents("other") == folder.contents("new/tokenizer"))
    let ids = try await Program.run(["tokenize", out, "--ids"], input: " the hat")
    #expect(ids.code == 0 && ids.output.split(separator: ",").count == 2)
    // Again into the same folder.
    #expect(try await train(out).code == 0)
  }

  /// The tokenizer of a model goes with it.
  @Test(arguments: [false, true])
  func convertingKeepsTheVocabulary(isBytes: Bool) async throws {
    try FileManager.default.copyItem(atPath: Models.llama, toPath: folder.path("model"))
    if isBytes {
      try TokenizerDefinition.bytes.write(to: folder.make("tokenizer"))
    } else {
      #expect(try await train(folder.path("tokenizer")).code == 0)
    }
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try folder.write("model/\(name)", try folder.bytes("tokenizer/\(name)"))
    }
    let end = isBytes ? "256" : "0"
    let config = try folder.text("model/config.json")
    try folder.write(
      "model/config.json",
      config.replacing(/"(bos|eos)_token_id": *(\[[^\]]*\]|\d+)/) {
        "\"\($0.output.1)_token_id\": \($0.output.1 == "bos" ? "null" : end)"
      })
    try? FileManager.default.removeItem(atPath: folder.path("model/generation_config.json"))
    let run = try await Program.run([
      "convert", folder.path("model"), "-o", folder.path("model.gguf"),
    ])
    #expect(run.code == 0, "\(run.error)")
    let tokenizer = try Tokenizer(folder: folder.path("tokenizer"))
    for text in [Self.text, "a<|endoftext|>b \u{1f642}\r\n\n 007"] {
      let found = try await Program.run([
        "tokenize", folder.path("model.gguf"), "--json", "-p", text,
      ])
      #expect(try found.ids() == tokenizer.encode(text), "\(found.error)")
    }
  }

  @Test func badTextsAreRefused() async throws {
    let out = folder.path("out")
    func run(_ paths: [String], _ size: Int = 300, _ options: [String] = []) async throws
      -> Program.Run
    {
      try await Program.run(
        ["tokenize", "--train"] + paths + ["--vocab-size", "\(size)", "--out", out] + options)
    }
    let (empty, bad) = (try folder.write("e.txt", ""), try folder.write("bad.txt", [0x61, 0xff]))
    let lines = try folder.write("l.jsonl", "{\"text\": \"a\"}\n{\"text\": 1}\n")
    let small = try folder.write("s.txt", "abab abab")
    try await run([small, empty]).expectRefusal(source: empty, found: "no text", expected: "text")
    try await run([bad]).expectRefusal(
      source: bad, found: "the byte 0xff at offset 1", expected: "text in UTF-8")
    try await run([lines]).expectRefusal(
      source: "\(lines), line 2", found: "\"text\" that is an integer", expected: "a string")
    try await run([folder.path("none")]).expectRefusal(
      source: folder.path("none"), found: "nothing", expected: "a .txt or .jsonl file")
    try await run([small]).expectRefusal(
      source: "vocabulary", found: "a size of 300, for which the texts have too few words",
      expected: "at most 259")
    #expect(folder.names("out").isEmpty)
    #expect(try await run([small], 259).code == 0)
    try folder.write("out/config.json", "{}")
    try await run([small], 259).expectRefusal(
      source: "--out \(out)", found: "the config.json of a model", expected: "a folder without one")
    try await Program.run([
      "tokenize", "--train", small, "--vocab-size", "259", "--out", small,
    ]).expectRefusal(
      source: "--out \(small)", found: "Not a directory", expected: "a folder that can be made")
  }

  @Test func usage() async throws {
    let all = ["--train", "a.txt", "--vocab-size", "300", "--out", "o"]
    for (arguments, message) in [
      (Array(all[..<4]), "'--train' needs '--out'."),
      (Array(all[..<2]), "'--train' needs '--vocab-size'."),
      (["M", "--vocab-size", "300"], "have no meaning without '--train'."),
      (["M", "--separator", "x"], "have no meaning without '--train'."),
      (all + ["-p", "a"], "have no meaning with it."),
      (["M"] + all, "have no meaning with it."),
      (all + ["--ids"], "have no meaning with it."),
      (["--train", "a", "--vocab-size", "256", "--out", "o"], "a number from 257 to 4194304."),
      (["--train", "a", "--vocab-size", "-1", "--out", "o"], "a number from 257 to 4194304."),
      (["--train", "a", "", "--vocab-size", "300", "--out", "o"], "A path of '--train' is empty."),
      (["--train", "a", "--vocab-size", "300", "--out", ""], "The path of '--out' is empty."),
    ] {
      try await Program.run(["tokenize"] + arguments).expectUsageError(
        message, usage: "bitlinear tokenize")
    }
  }
}
