import Foundation
import Testing

/// Results that cannot be written.
@Suite struct OutputTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Runs the program in a shell that sends its standard output somewhere.
  private func run(_ arguments: [String], to output: String) async throws -> Program.Run {
    try await Program.run(arguments, wrapper: ["/bin/sh", "-c", "\"$@\" \(output)", "sh"])
  }

  private func expectFailure(of arguments: [String], output: String, _ found: String) async throws {
    let run = try await run(arguments, to: output)
    run.expectRefusal(source: "standard output", found: found, expected: "to write")
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "needs /dev/full"))
  func fullOutputIsAnError() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let training = trainArguments(data: data, out: folder.path("run"), epochs: 1)
    try await expectFailure(of: training, output: ">/dev/full", "No space left on device")
    let packed = folder.path("run/packed.safetensors")
    let model = folder.path("run/model.safetensors")
    let bench = ["bench", "--shapes", "16x64", "--formats", "sign1", "--mode", "hot", "-t", "1"]
    let commands = [
      ["cpu"], ["eval", packed, "--data", data], ["inspect", packed],
      ["inspect", packed, "--tensor", "layers.0.weight"],
      ["convert", packed, "-o", folder.path("converted.safetensors")],
      ["quantize", model, "-o", folder.path("q"), "--recipe", "b158", "--outtype", "bitlinear"],
      bench, bench + ["--overheads"],
    ]
    for command in commands {
      for option in [[], ["--json"]] {
        try await expectFailure(
          of: command + option, output: ">/dev/full", "No space left on device")
      }
    }
    try await expectFailure(of: bench + ["--csv"], output: ">/dev/full", "No space left on device")
  }

  @Test func closedOutputIsAnError() async throws {
    try await expectFailure(of: ["cpu"], output: ">&-", "Bad file descriptor")
  }

  /// A reader that stops reading ends the program without a word, as other programs of a shell.
  @Test(arguments: ["", "trap '' PIPE; "])
  func readerMayStopReading(setting: String) async throws {
    let commands = "\(setting)(sleep 0.2; \"$@\"; echo code $? >&2) | true"
    let run = try await Program.run(["cpu"], wrapper: ["/bin/sh", "-c", commands, "sh"])
    #expect(run.error == "code 141\n" && run.output == "")
  }
}
