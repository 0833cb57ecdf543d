import BitCore
import BitFormats
import Foundation
import Testing

/// Trainings that are stopped, by Ctrl-C or by a kill, and go on from their checkpoint.
@Suite struct InterruptTests {
  private static let epochs = 60
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func arguments(_ out: String, _ more: [String] = []) -> [String] {
    trainArguments(
      data: folder.path("data"), out: folder.path(out), epochs: Self.epochs, more)
  }

  @Test(arguments: [["BITLINEAR_THREADS": "1"], [:]])
  func interruptedTrainingGoesOnToTheSameModel(environment: [String: String]) async throws {
    try TinyData().writeIDX(in: folder)
    let unbroken = try await Program.run(arguments("unbroken"), environment: environment)
    #expect(unbroken.code == 0)

    let stopped = try await StoppedRun(
      arguments("run"), environment: environment, after: "Epoch ", signal: SIGINT)
    #expect(stopped.process.terminationReason == .exit)
    #expect(stopped.process.terminationStatus == 130)
    let path = folder.path("run/checkpoint.safetensors")
    let last = try #require(stopped.error.split(separator: "\n").last)
    #expect(
      last.contains(
        /^Stopped after step [0-9]+, [0-9]+ of 60 epochs, saved in .*; continue with --resume$/))
    #expect(last.contains("saved in \(path);"))
    #expect(!stopped.error.contains("Error"))
    // On a slow machine the first line may come before the first epoch's end.
    #expect(Set(folder.names("run")).subtracting(["metrics.jsonl"]) == ["checkpoint.safetensors"])
    #expect(try await Program.run(["inspect", path]).code == 0)

    let resumed = try await Program.run(
      arguments("run", ["--resume"]), environment: environment)
    #expect(resumed.code == 0 && resumed.complaints == [])
    #expect(resumed.error.hasPrefix("Resuming 64-18-3 b158 after step "))
    for name in ["packed.safetensors", "model.safetensors"] {
      #expect(try folder.bytes("run/\(name)") == folder.bytes("unbroken/\(name)"))
    }
    #expect(try folder.text("run/metrics.jsonl").split(separator: "\n").count == Self.epochs)
  }

  @Test func interruptedBaselineGoesOn() async throws {
    try TinyData().writeIDX(in: folder)
    let unbroken = try await Program.run(arguments("unbroken", ["--baseline"]))
    #expect(unbroken.code == 0)

    // The baseline of an earlier run with other options must not be taken for this one's.
    let earlier = try await Program.run(
      trainArguments(
        data: folder.path("data"), out: folder.path("run"), epochs: 1, ["--baseline"]))
    #expect(earlier.code == 0)
    let first = try await StoppedRun(
      arguments("run", ["--baseline"]), after: "Epoch ", signal: SIGINT)
    #expect(first.process.terminationStatus == 130)
    let second = try await StoppedRun(
      arguments("run", ["--baseline", "--resume"]), after: "Training 64-18-3 float",
      signal: SIGINT)
    #expect(second.process.terminationStatus == 130)
    #expect(second.error.contains("baseline-checkpoint.safetensors; continue with --resume"))

    let resumed = try await Program.run(arguments("run", ["--baseline", "--resume"]))
    #expect(resumed.code == 0 && resumed.complaints == [])
    #expect(resumed.error.contains("Resuming 64-18-3 float after step "))
    for name in ["packed.safetensors", "baseline.safetensors"] {
      #expect(try folder.bytes("run/\(name)") == folder.bytes("unbroken/\(name)"))
    }
  }

  @Test func killedTrainingGoesOnToTheSameModel() async throws {
    try TinyData().writeIDX(in: folder)
    let unbroken = try await Program.run(arguments("unbroken"))
    #expect(unbroken.code == 0)

    let more = ["--save-every", "1"]
    let first = try await StoppedRun(arguments("run", more), after: "Epoch ", signal: SIGKILL)
    #expect(first.process.terminationReason == .uncaughtSignal)
    #expect(first.process.terminationStatus == SIGKILL)
    for _ in 0..<6 {
      // A later run may come to its end before it is killed, which is as good.
      let next = try await StoppedRun(
        arguments("run", more + ["--resume"]), after: "Resuming ",
        delay: .milliseconds(Int.random(in: 0..<60)), signal: SIGKILL)
      #expect(next.process.terminationStatus == SIGKILL || next.process.terminationStatus == 0)
      #expect(!next.error.contains("Error"), "\(next.error)")
      let inspection = try await Program.run(
        ["inspect", folder.path("run/checkpoint.safetensors")])
      #expect(inspection.code == 0 && inspection.error == "")
    }
    // What a kill during a write leaves.
    let leftover = ".checkpoint.safetensors.tmp-1-0123456789abcdef"
    try folder.write("run/\(leftover)", "half a checkpo")
    let resumed = try await Program.run(arguments("run", ["--resume"]))
    #expect(resumed.code == 0 && resumed.complaints == [])
    for name in ["packed.safetensors", "model.safetensors"] {
      #expect(try folder.bytes("run/\(name)") == folder.bytes("unbroken/\(name)"))
    }
    #expect(try folder.text("run/\(leftover)") == "half a checkpo")
  }
}
