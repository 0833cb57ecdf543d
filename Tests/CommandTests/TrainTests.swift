import BitCore
import BitFormats
import Foundation
import Testing

@Suite struct TrainTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: [("b158", 1), ("b158", 3), ("bitnet", 1), ("bitnet", 3)])
  func packedModelEqualsTheTrainedOne(recipe: String, groups: Int) async throws {
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(
        data: data, out: folder.path("run"),
        ["--recipe", recipe, "--groups", "\(groups)", "--baseline", "--json"]))
    #expect(run.code == 0 && run.complaints == [])
    #expect(
      folder.names("run") == [
        "baseline-checkpoint.safetensors", "baseline.safetensors", "checkpoint.safetensors",
        "curves.svg", "metrics.jsonl", "model.safetensors", "packed.safetensors", "report.html",
      ])

    let json = try run.json()
    func number(_ key: String) throws -> Double {
      try #require((json[key] as? NSNumber)?.doubleValue, "\(key) is missing")
    }
    #expect(json["recipe"] as? String == recipe)
    #expect(json["network"] as? String == "64-18-3 \(recipe)" + (groups > 1 ? " in 3 groups" : ""))
    #expect(json["predictions_equal"] as? Bool == true)
    #expect(try number("test_accuracy") == number("packed_test_accuracy"))
    for key in ["test_accuracy", "baseline_test_accuracy"] {
      #expect((0.9...1).contains(try number(key)), "\(key)")
    }
    #expect(Int(try number("float_bytes")) == (try folder.bytes("run/model.safetensors").count))
    #expect(Int(try number("packed_bytes")) == (try folder.bytes("run/packed.safetensors").count))
    #expect(try number("packed_bytes") < number("float_bytes") / 2)
    for key in ["samples_per_second", "packed_samples_per_second", "baseline_samples_per_second"] {
      #expect(try number(key) > 0, "\(key)")
    }
    let seconds = try #require(json["epoch_seconds"] as? [Double])
    #expect(seconds.count == 8 && seconds.allSatisfy { $0 > 0 })
    #expect(try number("peak_memory_mib") > 1)
  }

  /// The float model that training leaves, quantized afterwards, is the packed model.
  @Test(arguments: ["b158", "bitnet"])
  func quantizedModelEqualsThePackedOne(recipe: String) async throws {
    let data = try TinyData().writeIDX(in: folder)
    let out = folder.path("run")
    let train = try await Program.run(
      trainArguments(data: data, out: out, ["--recipe", recipe]))
    #expect(train.code == 0)
    let quantized = folder.path("quantized.safetensors")
    let run = try await Program.run([
      "quantize", "\(out)/model.safetensors", "-o", quantized, "--recipe", recipe, "--outtype",
      "bitlinear",
    ])
    #expect(run.code == 0, "\(run.error)")
    #expect(run.output.contains("normalizes its input (RMSNorm)") == (recipe == "b158"))
    var results: [[Double]] = []
    for path in [quantized, "\(out)/packed.safetensors"] {
      let run = try await Program.run(["eval", path, "--data", data, "--json"])
      #expect(run.code == 0, "\(run.error)")
      let json = try run.json()
      results.append(try ["test_accuracy", "test_loss"].map { try #require(json[$0] as? Double) })
    }
    #expect(results[0] == results[1])
    let other = try await Program.run([
      "quantize", "\(out)/model.safetensors", "-o", quantized, "--recipe",
      recipe == "b158" ? "bitnet" : "b158",
    ])
    other.expectRefusal(
      source: "--recipe", found: recipe == "b158" ? "bitnet" : "b158",
      expected: "\(recipe), with which")
  }

  @Test func floatNetworkHasNoPackedModel() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(data: data, out: folder.path("run"), ["--recipe", "float", "--json"]))
    #expect(run.code == 0 && run.complaints == [])
    #expect(
      folder.names("run") == [
        "checkpoint.safetensors", "curves.svg", "metrics.jsonl", "model.safetensors",
        "report.html",
      ])
    let json = try run.json()
    #expect(try #require(json["test_accuracy"] as? Double) >= 0.9)
    for key in ["packed_test_accuracy", "packed_bytes", "predictions_equal"] {
      #expect(json[key] is NSNull, "\(key)")
    }
    #expect(!run.output.contains("\n\n"))
  }

  @Test func outputIsATableAndProgressGoesToStandardError() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let out = folder.path("run")
    let run = try await Program.run(trainArguments(data: data, out: out, epochs: 3))
    #expect(run.code == 0)
    let lines = run.lines
    try #require(lines.count == 7)
    #expect(lines[0].split(separator: " ").first == "Model" && lines[0].contains("Test accuracy"))
    #expect(lines[1].allSatisfy { $0 == "─" } && lines[1].count == lines[0].count)
    #expect(lines[2].hasPrefix("b158, float32 latent weights  "))
    #expect(lines[3].hasPrefix("b158, packed  "))
    #expect(lines[4] == "Every prediction of the packed model equals that of the latent one.")
    #expect(lines[5...] == ["Report: \(out)/report.html", ""])

    // On a slow machine an epoch has a line of its own every ten seconds.
    let progress = run.error.split(separator: "\n").filter {
      !$0.hasPrefix("Epoch") || $0.contains("  test accuracy ")
    }
    try #require(progress.count == 4)
    #expect(progress[0] == "Training 64-18-3 b158, 1206 weights")
    for (index, line) in progress.dropFirst().enumerated() {
      #expect(line.hasPrefix("Epoch \(index + 1)/3  loss ") && line.contains("  test accuracy "))
    }
    for text in [run.output, run.error] {
      #expect(
        !text.unicodeScalars.contains { $0 != "\n" && $0.properties.generalCategory == .control })
    }
  }

  @Test func metricsAndReportAreWellFormed() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(data: data, out: folder.path("run"), epochs: 5, ["--baseline", "--json"]))
    let lines = try folder.text("run/metrics.jsonl").split(separator: "\n")
    try #require(lines.count == 5)
    for (index, line) in lines.enumerated() {
      let json = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect(json["epoch"] as? Int == index + 1)
      #expect(json["step"] as? Int == 4 * (index + 1))
      for key in ["train_accuracy", "test_accuracy"] {
        #expect((0...1).contains(try #require(json[key] as? Double)), "\(key)")
      }
    }
    let last = try JSONSerialization.jsonObject(with: Data(lines[4].utf8)) as? [String: Any]
    let results = try run.json()
    #expect(last?["test_accuracy"] as? Double == results["test_accuracy"] as? Double)

    let page = ReportXML(try folder.text("run/report.html"))
    #expect(page.error == nil)
    #expect(page.text.contains("64-18-3 b158") && page.text.contains("layers.0"))
    #expect(page.text.contains("--epochs 5"))
    let picture = ReportXML(try folder.text("run/curves.svg"))
    #expect(picture.error == nil && picture.elements.first == "svg")
    #expect(picture.text.contains("test, float baseline"))
  }

  @Test func formatsOfOneDataSetGiveOneModel() async throws {
    let data = TinyData()
    let paths = [
      try data.writeIDX("plain", in: folder), try data.writeIDX("gzip", in: folder, isGzip: true),
      try data.writeCSV("csv", in: folder),
      try data.writeCSV("indexed", in: folder, columns: .indexFirst),
      try data.writeCSV("last", in: folder, columns: .labelLast),
      try data.writeCSV("named", in: folder, columns: .otherName),
    ]
    var models: Set<[UInt8]> = []
    for path in paths {
      let name = "run-" + (path as NSString).lastPathComponent
      let column = name == "run-named" ? ["--label-column", "species"] : []
      let run = try await Program.run(
        trainArguments(data: path, out: folder.path(name), epochs: 2, column))
      #expect(run.code == 0 && run.complaints == [])
      models.insert(try folder.bytes("\(name)/packed.safetensors"))
    }
    #expect(models.count == 1)
  }

  @Test func kernelsGiveOneModel() async throws {
    let data = try TinyData().writeIDX(in: folder)
    for (name, kernel) in [("default", nil), ("scalar", "scalar")] {
      var environment = ["BITLINEAR_THREADS": "1"]
      environment["BITLINEAR_CPU"] = kernel
      let run = try await Program.run(
        trainArguments(data: data, out: folder.path(name)), environment: environment)
      #expect(run.code == 0)
    }
    for file in ["packed.safetensors", "model.safetensors"] {
      #expect(try folder.bytes("default/\(file)") == folder.bytes("scalar/\(file)"))
    }
  }

  @Test func seedDeterminesTheModel() async throws {
    let data = try TinyData().writeIDX(in: folder)
    for (name, seed) in [("a", "5"), ("b", "5"), ("c", "6")] {
      let run = try await Program.run(
        trainArguments(data: data, out: folder.path(name), epochs: 2, ["--seed", seed]))
      #expect(run.code == 0)
    }
    let models = try ["a", "b", "c"].map { try folder.bytes("\($0)/model.safetensors") }
    #expect(models[0] == models[1])
    #expect(models[0] != models[2])
  }
}
