import BitCore
import BitLM
import Foundation
import Testing

@testable import bitlinear

/// `bitlinear chat`.
@Suite struct ChatTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func chat(_ lines: [String], _ more: [String] = []) async throws -> Program.Run {
    try await Program.run(
      ["chat", Models.qwen, "--temp", "0", "-n", "6"] + more,
      input: lines.map { $0 + "\n" }.joined())
  }

  /// What the library answers, one question after the other.
  private func answers(_ questions: [String], instructions: String? = nil) async throws -> [String]
  {
    let session = try ChatSession(
      LanguageModel.load(path: Models.qwen), instructions: instructions,
      options: GenerationOptions(sampling: .greedy, maxTokens: 6))
    var answers: [String] = []
    for question in questions { answers.append(try await session.respond(to: question)) }
    return answers
  }

  @Test func eachLineIsAMessage() async throws {
    let run = try await chat(["Hello.", "", "And you?"])
    #expect(run.code == 0)
    let expected = try await answers(["Hello.", "And you?"])
    #expect(run.output == expected.map { $0 + "\n" }.joined())
    #expect(!run.error.contains("Error"))
  }

  @Test func conversationIsSavedAndLoaded() async throws {
    let path = folder.path("chat.json")
    let first = try await chat(
      ["/system Be brief.", "Hello.", "/save \(path)", "/exit", "never read"])
    #expect(first.code == 0)
    let expected = try await answers(["Hello.", "And you?"], instructions: "Be brief.")
    #expect(first.output == expected[0] + "\n")
    let second = try await chat(["Other.", "/load \(path)", "And you?"])
    let other = try await answers(["Other."])
    #expect(second.output == other[0] + "\n" + expected[1] + "\n")
    let third = try await chat(["Other.", "/reset", "Hello."], ["--system", "Be brief."])
    #expect(third.output.hasSuffix("\n" + expected[0] + "\n"))
  }

  @Test func firstErrorEndsAPipe() async throws {
    let run = try await chat(["Hello.", "/nonsense", "never answered"])
    let answer = try await answers(["Hello."])
    #expect(run.code == 1 && run.output == answer[0] + "\n")
    #expect(
      run.error.contains("Error: chat: found the command \"/nonsense\", expected \(ChatLine.usage)")
    )
    let missing = folder.path("none.json")
    #expect(try await chat(["/load \(missing)"]).error.contains("Error: \(missing): found "))
    let long = String(repeating: "word ", count: 300)
    let full = try await chat([long])
    #expect(full.code == 1 && full.error.contains("fewer than 256, the length of the context"))
  }

  @Test(
    arguments: [
      ("", nil), (" \t", nil), ("hi /reset", .message("hi /reset")), ("/reset", .reset),
      ("/reset now", .unknown("/reset now")), ("/exit", .exit), ("/quit ", .exit),
      ("/system  Be kind. ", .system("Be kind.")), ("/system", .unknown("/system")),
      ("/save a b.json", .save("a b.json")), ("/load x", .load("x")), ("/", .unknown("/")),
      ("/resetx", .unknown("/resetx")),
    ] as [(String, ChatLine?)])
  func linesAreMessagesOrCommands(line: String, expected: ChatLine?) {
    #expect(ChatLine(line) == expected)
  }

  @Test func modelWithoutMessagesToReadJustEnds() async throws {
    let run = try await Program.run(["chat", Models.qwen])
    #expect(run.code == 0 && run.output == "")
    try await Program.run(["chat"]).expectUsageError(
      "Missing expected argument '<model>'", usage: "bitlinear chat")
    try await Program.run(["chat", "M", "--top-p", "2"]).expectUsageError(
      "'2.0' is invalid for '--top-p'.", usage: "bitlinear chat")
  }
}
