import BitCore
import BitFormats
import Foundation
import Testing

/// What makes a pseudo-terminal: util-linux's `script`, which takes other options elsewhere.
enum PseudoTerminal {
  static let script = "/usr/bin/script"

  static var isAvailable: Bool {
    #if os(Linux)
      FileManager.default.isExecutableFile(atPath: script)
    #else
      false
    #endif
  }
}

/// The program in a pseudo-terminal.
@Suite(.enabled(if: PseudoTerminal.isAvailable, "needs script of util-linux"))
struct TerminalTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Runs a training; its standard output and error both are what the terminal got.
  private func train(
    _ more: [String] = [], environment: [String: String] = [:]
  ) async throws -> Program.Run {
    let data = try TinyData().writeIDX(in: folder)
    return try await run(
      Self.quoted(
        [try Program.path()] + trainArguments(data: data, out: folder.path("run"), epochs: 3, more)),
      environment: environment)
  }

  private static func quoted(_ command: [String]) -> String {
    command.map { "'\($0)'" }.joined(separator: " ")
  }

  /// Runs a command of a shell.
  private func run(
    _ command: String, environment: [String: String] = [:]
  ) async throws -> Program.Run {
    let process = try Program.process(
      [PseudoTerminal.script, "-qec", command, "/dev/null"],
      ["TERM": "xterm"].merging(environment) { _, given in given })
    process.standardOutput = try folder.handle("terminal")
    process.standardError = FileHandle.nullDevice
    try await Program.runToEnd(process)
    return Program.Run(
      code: process.terminationStatus, isExit: process.terminationReason == .exit,
      output: try folder.text("terminal"), error: "")
  }

  private static let eraseLine = "\r\u{1B}[K"

  /// The lines that are left on the screen.
  private func screen(_ output: String) -> [String] {
    output.replacing("\r\n", with: "\n").components(separatedBy: "\n").map {
      $0.components(separatedBy: Self.eraseLine).last ?? ""
    }
  }

  @Test func barAppearsAndIsRemoved() async throws {
    let run = try await train()
    #expect(run.code == 0)
    #expect(run.output.components(separatedBy: "━").count > 3)
    #expect(run.output.contains("\u{1B}[36m") && run.output.contains("\u{1B}[0m"))
    let screen = screen(run.output)
    let epochs = screen.filter { $0.hasPrefix("Epoch ") }
    #expect(epochs.count == 3)
    #expect(!screen.contains { $0.contains("━") || $0.contains("\u{1B}") || $0.contains("\r") })
    #expect(epochs.allSatisfy { $0.contains("test accuracy") && !$0.contains("─") })
    #expect(screen.last == "" && screen.contains("Report: \(folder.path("run/report.html"))"))
  }

  @Test func noColorIsObeyed() async throws {
    let run = try await train(environment: ["NO_COLOR": "1"])
    #expect(run.code == 0 && run.output.contains("━"))
    let rest = run.output.replacing(Self.eraseLine, with: "")
    #expect(!rest.contains("\u{1B}"))
  }

  @Test func dumbTerminalGetsPlainLines() async throws {
    let run = try await train(environment: ["TERM": "dumb"])
    #expect(run.code == 0 && !run.output.contains("━") && !run.output.contains("\u{1B}"))
    #expect(screen(run.output).count { $0.hasPrefix("Epoch ") } == 3)
  }

  @Test func interruptRemovesTheBarOfAConversion() async throws {
    let input = try folder.writeLongModel("in.safetensors")
    let convert = Self.quoted([
      try Program.path(), "convert", input, "-o", folder.path("out.gguf"), "--outtype", "tq1_0",
    ])
    // The interrupt comes when the bar is on the terminal.
    let isDrawn = "grep -q Writing '\(folder.path("terminal"))'"
    let run = try await run(
      "\(convert) & until \(isDrawn) || ! kill -0 $!; do sleep 0.01; done; kill -INT $!; wait $!")
    #expect(run.code == 130 && run.output.contains("─"))
    #expect(screen(run.output) == [""])
    #expect(folder.names("") == ["in.safetensors", "terminal"])
  }

  @Test func errorStandsOnItsOwnLine() async throws {
    let run = try await train(["--recipe", "float", "--learning-rate", "1e30"])
    #expect(run.code == 1 && run.output.contains("━"))
    let screen = screen(run.output)
    #expect(screen.count { $0.hasPrefix("Error: training: found a loss of") } == 1)
    #expect(!screen.contains { $0.contains("━") })
  }
}
