import BitCore
import BitFormats
import Foundation
import Testing

/// `eval`, `inspect` and `cpu`, and the program without a command.
@Suite struct ModelCommandTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func train(_ more: [String] = []) async throws -> (data: String, Program.Run) {
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(data: data, out: folder.path("run"), epochs: 3, ["--json"] + more))
    try #require(run.code == 0, "\(run.error)")
    return (data, run)
  }

  @Test(arguments: ["b158", "bitnet"])
  func packedAndFloatModelPredictTheSame(recipe: String) async throws {
    let (data, trained) = try await train(["--recipe", recipe, "--groups", "3"])
    for (name, isPacked) in [("packed", true), ("model", false)] {
      let run = try await Program.run([
        "eval", folder.path("run/\(name).safetensors"), "--data", data, "--batch-size", "16",
        "--predictions", folder.path(name), "--json",
      ])
      #expect(run.code == 0 && run.error == "")
      let json = try run.json()
      #expect(json["packed"] as? Bool == isPacked)
      #expect(json["samples"] as? Int == 30)
      #expect(json["test_accuracy"] as? Double == (try trained.json()["test_accuracy"] as? Double))
      #expect(try #require(json["samples_per_second"] as? Double) > 0)
    }
    let predictions = try folder.text("packed").split(separator: "\n")
    #expect(predictions.count == 30 && predictions.allSatisfy { ["0", "1", "2"].contains($0) })
    #expect(try folder.bytes("packed") == folder.bytes("model"))
    let right = predictions.enumerated().count { "\($0 % 3)" == $1 }
    #expect(Double(right) / 30 == (try trained.json()["test_accuracy"] as? Double))
  }

  @Test func evalPrintsATable() async throws {
    let (data, _) = try await train()
    let run = try await Program.run(["eval", folder.path("run/packed.safetensors"), "--data", data])
    #expect(run.code == 0 && run.error == "")
    #expect(run.lines.count == 4)
    #expect(run.lines[0].contains("Test accuracy"))
    #expect(run.lines[2].hasPrefix("packed  64-18-3 b158  "))
  }

  @Test func predictionsDoNotDependOnThreadsAndKernels() async throws {
    let (data, _) = try await train()
    var predictions: Set<String> = []
    let environments = [
      ["BITLINEAR_THREADS": "1"], ["BITLINEAR_THREADS": "2"],
      ["BITLINEAR_THREADS": "2", "BITLINEAR_CPU": "scalar"],
    ]
    for environment in environments {
      let run = try await Program.run(
        [
          "eval", folder.path("run/packed.safetensors"), "--data", data,
          "--predictions", folder.path("predictions"),
        ], environment: environment)
      #expect(run.code == 0)
      predictions.insert(try folder.text("predictions"))
    }
    #expect(predictions.count == 1)
  }

  @Test func inspectListsTensors() async throws {
    _ = try await train(["--groups", "3"])
    let path = folder.path("run/packed.safetensors")
    let run = try await Program.run(["inspect", path])
    #expect(run.code == 0 && run.error == "")
    for text in ["layers.0.weight", "layers.1.weight_scale", "ternary", "18 x 64", "-1", "+1"] {
      #expect(run.output.contains(text), "\(text)")
    }

    let json = try await Program.run(["inspect", path, "--json"]).json()
    #expect(json["file"] as? String == path)
    let tensors = try #require(json["tensors"] as? [[String: Any]])
    let names = tensors.compactMap { $0["name"] as? String }
    #expect(
      names.sorted() == [
        "layers.0.weight", "layers.0.weight_scale", "layers.1.weight", "layers.1.weight_scale",
      ])
    let layers = try #require(json["packed_layers"] as? [[String: Any]])
    #expect(layers.count == 2)
    for layer in layers {
      let shares = try #require(layer["code_shares"] as? [Double])
      #expect(shares.count == 3 && abs(shares.reduce(0, +) - 1) < 1e-9)
      #expect(shares.allSatisfy { $0 > 0 })
      #expect((layer["scales"] as? [Double])?.count == 3)
    }
    #expect(layers.first?["in_features"] as? Int == 64)
    #expect(layers.first?["out_features"] as? Int == 18)
  }

  @Test func binaryCodesHaveNoZero() async throws {
    _ = try await train(["--recipe", "bitnet"])
    let run = try await Program.run(
      ["inspect", folder.path("run/packed.safetensors"), "--json"])
    let layers = try #require(try run.json()["packed_layers"] as? [[String: Any]])
    #expect(layers.count == 2)
    for layer in layers {
      #expect(layer["codes"] as? String == "sign")
      #expect((layer["code_shares"] as? [Double])?[1] == 0)
    }
  }

  @Test func inspectShowsFloatModels() async throws {
    _ = try await train()
    let run = try await Program.run(["inspect", folder.path("run/model.safetensors")])
    #expect(run.code == 0)
    #expect(run.output.contains("[18, 64]") && run.output.contains("F32"))
    #expect(!run.output.contains("Packed layer"))
  }

  @Test func cpuTellsKernels() async throws {
    let table = try await Program.run(["cpu"])
    #expect(table.code == 0 && table.output.contains("kernels in use"))
    let json = try await Program.run(["cpu", "--json"]).json()
    let kernels = try #require(json["kernels"] as? [String])
    #expect(kernels.contains("scalar"))
    #expect(kernels.first == json["kernel"] as? String)
    let forced = try await Program.run(
      ["cpu", "--json"], environment: ["BITLINEAR_CPU": "scalar", "BITLINEAR_THREADS": "3"])
    #expect(try forced.json()["kernel"] as? String == "scalar")
    #expect(try forced.json()["threads"] as? Int == 3)
  }

  @Test func programWithoutArgumentsHelps() async throws {
    let run = try await Program.run([])
    #expect(run.code == 0 && run.error == "")
    for command in ["train", "eval", "inspect", "cpu"] {
      #expect(run.output.contains("\n  \(command) "), "\(command)")
    }
    let version = try await Program.run(["--version"])
    #expect(version.code == 0)
    #expect(version.output.wholeMatch(of: /[0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
  }

  @Test(arguments: [
    (["train", "--fast"], "Unknown option '--fast'"),
    (["train", "--recipe", "b159"], "Please provide one of 'bitnet', 'b158' or 'float'"),
    (["train", "--epochs", "many"], "'many' is invalid for '--epochs"),
    (["train", "--epochs"], "Missing value for '--epochs"),
    (["train", "--seed", "-1"], "'-1' is invalid for '--seed"),
    (["eval"], "Missing expected argument '<model>'"),
    (["inspect"], "Missing expected argument '<path>'"),
    (["inspect", "a", "b"], "Unexpected argument 'b'"),
    (["paint"], "'paint'"),
  ])
  func wrongUsageShowsTheUsage(arguments: [String], message: String) async throws {
    try await Program.run(arguments).expectUsageError(message)
  }
}
