import BitCore
import BitTokenizers
import Foundation
import TestSupport
import Testing

@testable import BitTraining

@Suite struct TextCorpusTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func texts(_ corpus: TextCorpus) throws -> [[String]] {
    try (0..<corpus.count).map { try corpus.document(at: $0).texts }
  }

  private func make(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/\(name)", withIntermediateDirectories: true)
  }

  @Test func aFileIsADocument() throws {
    let path = try folder.write("a.text", "One line.\r\n\nna\u{ef}ve \u{1f642}")
    let corpus = try TextCorpus(paths: [path])
    #expect(try texts(corpus) == [["One line.\r\n\nna\u{ef}ve \u{1f642}"]])
    #expect(try corpus.document(at: 0).source == path)
    #expect(corpus.name == path)
  }

  @Test func aByteOrderMarkIsNoText() throws {
    let path = try folder.write("a.txt", [0xef, 0xbb, 0xbf, 0x61])
    let lines = try folder.write("a.jsonl", [0xef, 0xbb, 0xbf] + Array(#"{"text":"b"}"#.utf8))
    #expect(try texts(TextCorpus(paths: [path, lines])) == [["a"], ["b"]])
  }

  @Test func linesOfAGivenTextPartDocuments() throws {
    let path = try folder.write(
      "a.txt", "<|endoftext|>\none\ntwo\n<|endoftext|>\n<|endoftext|>\r\n\n<|endoftext|> x\nthree")
    let corpus = try TextCorpus(paths: [path], separator: "<|endoftext|>")
    #expect(try texts(corpus) == [["one\ntwo"], ["\n<|endoftext|> x\nthree"]])
    #expect(try corpus.document(at: 1).source == "\(path), document 2")
    let ended = try folder.write("b.txt", "one\n---\n\ntwo\n---")
    #expect(
      try texts(TextCorpus(paths: [ended], separator: "---")) == [["one"], ["\ntwo"]])
    let blank = try folder.write("c.txt", "one\n\n\ntwo\n")
    #expect(try texts(TextCorpus(paths: [blank], separator: "")) == [["one"], ["two\n"]])
  }

  @Test func foldersAreReadByName() throws {
    try make("f/b/deep")
    try make("f/.hidden")
    for (name, text) in [
      ("f/c.txt", "3"), ("f/b/2.TXT", "2"), ("f/b/deep/1.jsonl", "{\"text\":\"deep\"}\n"),
      ("f/a.txt", "1"), ("f/notes.md", "no"), ("f/.hidden/x.txt", "no"), ("f/.x.txt", "no"),
    ] { try folder.write(name, text) }
    let corpus = try TextCorpus(paths: ["\(folder.path)/f", "\(folder.path)/f/a.txt"])
    #expect(try texts(corpus) == [["1"], ["2"], ["deep"], ["3"], ["1"]])
    #expect(corpus.name == "\(folder.path)/f and 1 more")
  }

  @Test func eachLineOfJSONLIsADocument() throws {
    let path = try folder.write(
      "a.jsonl",
      """
      {"text": "one\\nline", "id": 7}

      {"prompt": "2+2?", "completion": "4", "text": "left out"}
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null,
      """.replacingOccurrences(of: "null,", with: "null, \"tool_calls\": []}], \"tools\": [{}]}\r"))
    let corpus = try TextCorpus(paths: [path])
    #expect(try texts(corpus) == [["one\nline"], ["2+2?", "4"], ["Hi", ""]])
    #expect(try corpus.document(at: 1).source == "\(path), line 3")
    guard case .messages(let messages, let tools) = try corpus.document(at: 2).content else {
      Issue.record("no messages")
      return
    }
    #expect(messages.map(\.role) == ["user", "assistant"])
    #expect(messages[1].members["content"] == .null)
    #expect(tools == [.object([:])])
  }

  @Test(arguments: [
    (#"{"text": 3}"#, #""text" that is an integer, expected a string"#),
    (#"{"text": "a"#, "expected"),
    (#"["a"]"#, "an array, expected a JSON object"),
    (#"{}"#, "an empty object"),
    (#"{"content": "a"}"#, #"no such member, but "content""#),
    (#"{"prompt": "a"}"#, #"no "completion""#),
    (#"{"completion": "a"}"#, #"no "prompt""#),
    (#"{"prompt": "a", "completion": null}"#, #""completion" that is null"#),
    (#"{"messages": "a"}"#, #""messages" that is a string"#),
    (#"{"messages": []}"#, #""messages" that is an array of nothing"#),
    (#"{"messages": [{"role": "user"}]}"#, "message 1: found an object"),
    (#"{"messages": [{"role": "user", "content": ""}], "tools": 1}"#, #""tools" that is"#),
    (#"{"text": "a", "text": "b"}"#, "text"),
  ])
  func badLinesAreNamed(line: String, found: String) throws {
    let path = try folder.write("a.jsonl", "{\"text\": \"good\"}\n\n\(line)\n")
    let corpus = try TextCorpus(paths: [path])
    let error = try #require(throws: InputError.self) { try corpus.document(at: 1) }
    #expect(error.source.hasPrefix("\(path), line 3"))
    #expect(error.description.contains(found), "\(error)")
    // The first of several is reported, whatever the number of threads.
    let all = try #require(throws: InputError.self) {
      try TokenDataset(corpus, tokenizer: Tokenizer(.bytes))
    }
    #expect(all == error)
  }

  @Test func bytesThatAreNoTextAreNamed() throws {
    let path = try folder.write("a.txt", Array("caf\u{e9}".utf8) + [0x20, 0xe9, 0x61])
    let error = try #require(throws: InputError.self) { try TextCorpus(paths: [path]) }
    #expect(error.kind == .malformed && error.source == path)
    #expect(error.found.hasPrefix("the byte 0xe9 at offset 6"))
    let lines = try folder.write(
      "a.jsonl", Array("{\"text\":\"".utf8) + [0xff] + Array("\"}".utf8))
    let second = try #require(throws: InputError.self) {
      try TextCorpus(paths: [lines]).document(at: 0)
    }
    #expect(second.source == "\(lines), line 1")
  }

  @Test func filesWithoutTextAreErrors() throws {
    let (empty, blank) = (try folder.write("e.txt", ""), try folder.write("b.jsonl", " \n\n"))
    let separators = try folder.write("s.txt", "--\n--\n")
    let json = try folder.write("data.json", "[]")
    try make("none")
    for (path, kind, found) in [
      (empty, InputError.Kind.malformed, "no text"), (blank, .malformed, "no text"),
      (separators, .malformed, "no text"), (folder.path + "/missing", .missing, "nothing"),
      (folder.path + "/none", .missing, "a folder without"), (json, .unsupported, "a .json file"),
    ] {
      let error = try #require(throws: InputError.self) {
        try TextCorpus(paths: [path], separator: "--")
      }
      #expect(error.source == path && error.kind == kind && error.found.hasPrefix(found))
    }
    #expect(throws: InputError.self) { try TextCorpus(paths: []) }
    #expect(throws: InputError.self) { try TextCorpus([]) }
  }

  @Test func aFolderInItselfEnds() throws {
    try make("loop")
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder.path)/loop/again", withDestinationPath: "\(folder.path)/loop")
    let error = try #require(throws: InputError.self) {
      try TextCorpus(paths: ["\(folder.path)/loop"])
    }
    #expect(error.kind == .unsupported || error.kind == .inputOutput)
  }
}
