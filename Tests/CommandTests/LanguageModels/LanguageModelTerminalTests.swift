import Foundation
import Testing

/// The commands for language models in a pseudo-terminal.
@Suite(.enabled(if: PseudoTerminal.isAvailable, "needs script of util-linux"))
struct LanguageModelTerminalTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// What a terminal shows of the program, in which `typed` is typed.
  private func run(
    _ arguments: [String], typed: String = ""
  ) async throws -> (code: Int32, lines: [String]) {
    let command = ([try Program.path()] + arguments).map { "'\($0)'" }.joined(separator: " ")
    let process = try Program.process(
      [PseudoTerminal.script, "-qec", command, "/dev/null"], ["TERM": "xterm"])
    process.standardInput = try FileHandle(
      forReadingFrom: URL(fileURLWithPath: folder.write("typed", typed)))
    process.standardOutput = try folder.handle("terminal")
    process.standardError = FileHandle.nullDevice
    try await Program.runToEnd(process)
    let output = try folder.text("terminal")
    #expect(!arguments.contains("-p") || output.contains("Loading "))
    return (
      process.terminationStatus,
      output.replacing("\r\n", with: "\n").components(separatedBy: "\n").map {
        $0.components(separatedBy: "\r\u{1B}[K").last ?? ""
      }
    )
  }

  @Test func barIsGoneBeforeTheText() async throws {
    let arguments = [
      "generate", Models.llama, "--ids", "312,5", "-n", "4", "--temp", "0",
    ]
    let plain = try await Program.run(arguments)
    let (code, lines) = try await run(arguments)
    #expect(code == 0 && !lines.contains { $0.contains("─") || $0.contains("\u{1B}") })
    let text = try #require(plain.lines.first)
    #expect(lines.contains(String(text)))
    #expect(lines.contains { $0.hasPrefix("Generation: 4 tokens") })
  }

  @Test func textIsAskedForOnATerminal() async throws {
    let (code, lines) = try await run(["generate", Models.llama])
    #expect(code == 64)
    #expect(
      lines.contains {
        $0.hasPrefix("Error: Please provide a text: '--prompt', '--file', '--ids' or standard")
      })
  }

  @Test func personMayTryAgainAfterAnError() async throws {
    let arguments = ["chat", Models.qwen, "--temp", "0", "-n", "6"]
    let plain = try await Program.run(arguments, input: "Hello.\n")
    let (code, lines) = try await run(arguments, typed: "/foo\nHello.\n/exit\n")
    #expect(code == 0)
    #expect(lines.contains { $0.hasPrefix("Commands: /reset, ") })
    #expect(
      lines.contains { $0.hasPrefix("> Error: chat: found the command \"/foo\", expected /reset") })
    let answer = try #require(plain.lines.first)
    #expect(!answer.isEmpty && lines.contains("> \(answer)"))
  }
}
