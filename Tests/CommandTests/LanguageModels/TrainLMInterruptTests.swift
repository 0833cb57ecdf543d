import Foundation
import Testing

/// Trainings of language models that are stopped and go on.
@Suite struct TrainLMInterruptTests {
  private static let steps = 90
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A line for each step, and more of them than a pipe holds.
  private func arguments(_ out: String, _ more: [String] = []) throws -> [String] {
    TinyTexts.trainArguments(
      data: try TinyTexts.write(in: folder), out: folder.path(out), iters: Self.steps,
      [
        "--steps-per-eval", "1", "--sample-tokens", "0", "--max-seq-length", "8",
        "--validation-share", "0.01",
      ] + more)
  }

  private func expectSameModels(_ names: [String]) throws {
    for name in names {
      let file = "\(name)/model.safetensors"
      #expect(try folder.bytes("run/\(file)") == folder.bytes("unbroken/\(file)"), "\(name)")
    }
  }

  @Test(arguments: [["BITLINEAR_THREADS": "1"], [:]])
  func interruptedTrainingGoesOnToTheSameModel(environment: [String: String]) async throws {
    let unbroken = try await Program.run(arguments("unbroken"), environment: environment)
    #expect(unbroken.code == 0)
    let stopped = try await StoppedRun(
      arguments("run"), environment: environment, after: "Step ", signal: SIGINT)
    #expect(stopped.process.terminationReason == .exit)
    #expect(stopped.process.terminationStatus == 130)
    let path = folder.path("run/checkpoint.safetensors")
    let last = try #require(stopped.error.split(separator: "\n").last)
    #expect(last.contains(/^Stopped after step [0-9]+, saved in .*; continue with --resume$/))
    #expect(last.contains("saved in \(path);") && !stopped.error.contains("Error"))
    #expect(folder.names("run") == ["checkpoint.safetensors", "metrics.jsonl"])

    // Without --resume the run is not lost by mistake.
    let before = try folder.contents("run")
    let other = try await Program.run(arguments("run"))
    other.expectRefusal(
      source: "--out \(folder.path("run"))",
      found: "checkpoint.safetensors of a run that is not finished", expected: "--resume")
    #expect(try folder.contents("run") == before)

    let resumed = try await Program.run(
      arguments("run", ["--resume"]), environment: environment)
    #expect(resumed.code == 0 && resumed.complaints == [], "\(resumed.error)")
    #expect(resumed.error.hasPrefix("Resuming b158 after step "))
    try expectSameModels(["model", "packed"])
    #expect(
      try folder.text("run/metrics.jsonl").split(separator: "\n").count
        == folder.text("unbroken/metrics.jsonl").split(separator: "\n").count)
  }

  @Test func interruptedBaselineGoesOn() async throws {
    #expect(try await Program.run(arguments("unbroken", ["--baseline"])).code == 0)
    // The baseline of an earlier run with other options must not be taken for this one's.
    let earlier = try await Program.run(arguments("run", ["--baseline", "--iters", "2"]))
    #expect(earlier.code == 0)
    let first = try await StoppedRun(
      arguments("run", ["--baseline"]), after: "Step ", signal: SIGINT)
    #expect(first.process.terminationStatus == 130)
    let second = try await StoppedRun(
      arguments("run", ["--baseline", "--resume"]), after: "Training float", signal: SIGINT)
    #expect(second.process.terminationStatus == 130)
    #expect(second.error.contains("baseline-checkpoint.safetensors; continue with --resume"))
    let resumed = try await Program.run(arguments("run", ["--baseline", "--resume"]))
    #expect(resumed.code == 0 && resumed.complaints == [], "\(resumed.error)")
    #expect(resumed.error.contains("Resuming float after step "))
    try expectSameModels(["model", "packed", "baseline"])
  }

  @Test func killedTrainingGoesOnToTheSameModel() async throws {
    #expect(try await Program.run(arguments("unbroken")).code == 0)
    let more = ["--save-every", "1"]
    let first = try await StoppedRun(
      arguments("run", more), after: "Step  5", signal: SIGKILL)
    #expect(first.process.terminationStatus == SIGKILL)
    #expect(!folder.names("run").contains("report.html"))
    for _ in 0..<3 {
      // A later run may come to its end before it is killed, which is as good.
      let next = try await StoppedRun(
        arguments("run", more + ["--resume"]), after: "Resuming ",
        delay: .milliseconds(Int.random(in: 0..<100)), signal: SIGKILL)
      #expect(next.process.terminationStatus == SIGKILL || next.process.terminationStatus == 0)
      #expect(!next.error.contains("Error"), "\(next.error)")
    }
    let resumed = try await Program.run(arguments("run", more + ["--resume"]))
    #expect(resumed.code == 0 && resumed.complaints == [], "\(resumed.error)")
    try expectSameModels(["model", "packed"])
  }
}
