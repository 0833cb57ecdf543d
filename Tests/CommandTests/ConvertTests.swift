import BitCore
import BitFormats
import BitFiles
import BitNN
import Foundation
import Testing

/// `convert` and `quantize`.
@Suite struct ConvertTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A float model of one layer `a` and a norm.
  private func floats(_ name: String = "float.safetensors") throws -> String {
    var generator = SeededGenerator(seed: 5)
    let weight = Tensor((0..<8 * 256).map { _ in Float.random(in: -1...1, using: &generator) })
    try SafetensorsWriter.write(
      [
        SafetensorsEntry("a.weight", weight.reshaped([8, 256])),
        SafetensorsEntry("b.weight", weight.reshaped([8, 256])),
        SafetensorsEntry("norm.weight", Tensor([1, 2, 3]), dtype: .bf16),
      ], to: folder.path(name))
    return folder.path(name)
  }

  @Test func quantizesAndConverts() async throws {
    let input = try floats()
    let (packed, gguf) = (folder.path("packed.safetensors"), folder.path("out.gguf"))
    let page = folder.path("report.html")
    let run = try await Program.run([
      "quantize", input, "-o", packed, "--recipe", "b158", "--exclude", "^b", "--report", page,
    ])
    #expect(run.code == 0 && run.error == "", "\(run.error)")
    #expect(run.output.contains("Relative error"))
    #expect(run.output.contains("a.weight"))
    // What was left, and why.
    let kept = try #require(run.output.split(separator: "\n").first { $0.hasPrefix("b.weight") })
    #expect(kept.contains("8 x 256") && kept.contains("--exclude names it"))
    #expect(try folder.text("report.html").contains("a.weight"))
    #expect(try folder.text("report.html").contains("<svg"))
    #expect(try folder.text("report.html").contains("bitlinear quantize"))

    let converted = try await Program.run(["convert", packed, "-o", gguf, "--verify", "--json"])
    #expect(converted.code == 0 && converted.error == "", "\(converted.error)")
    let json = try converted.json()
    #expect(json["outtype"] as? String == "i2_s")
    #expect(json["verified_elements"] as? Int == 2 * 8 * 256 + 3)
    let text = try await Program.run(["convert", packed, "-o", gguf, "--verify"])
    #expect(text.output.contains("Verified: "))
  }

  @Test func jsonOfQuantize() async throws {
    let run = try await Program.run([
      "quantize", try floats(), "-o", folder.path("x.gguf"), "--recipe", "bitnet", "--groups", "2",
      "--include", "a|b", "--json",
    ])
    #expect(run.code == 0, "\(run.error)")
    let layers = try #require(try run.json()["layers"] as? [[String: Any]])
    #expect(layers.map { $0["name"] as? String } == ["a.weight", "b.weight"])
    #expect(layers.allSatisfy { $0["bytes_before"] as? Int == 8 * 256 * 4 })
    #expect(layers.allSatisfy { $0["bytes_after"] as? Int == 8 * 256 / 128 * 18 })
    #expect(layers.allSatisfy { $0["zero_share"] as? Double == 0 })
  }

  @Test func refusals() async throws {
    let input = try floats()
    let packed = folder.path("packed.safetensors")
    let out = folder.path("out.gguf")
    _ = try await Program.run(["quantize", input, "-o", packed, "--recipe", "b158"])
    try await Program.run(["convert", packed, "-o", out, "--outtype", "tq2_0"]).expectRefusal(
      source: "\(packed), tensor \"a.weight\"", found: "the scale ", expected: "one that a half")
    #expect(folder.names("") == ["float.safetensors", "packed.safetensors"])
    let lossy = try await Program.run([
      "convert", packed, "-o", out, "--outtype", "tq2_0", "--lossy", "--verify",
    ])
    #expect(lossy.code == 0, "\(lossy.error)")
    try await Program.run(["quantize", input, "-o", out, "--recipe", "b158", "--groups", "3"])
      .expectRefusal(
        source: "\(input), tensor \"a.weight\"", found: "8 x 256 weights in 3 groups",
        expected: "groups that divide")
  }

  @Test(arguments: [
    (["convert", "in", "--outtype", "q4"], "'q4' is invalid for '--outtype <type>'"),
    (["convert", "in", "--i2s-layout", "mips"], "'mips' is invalid for '--i2s-layout <layout>'"),
    (["quantize", "in"], "Missing expected argument '--recipe <recipe>'"),
    (["quantize", "in", "--recipe", "float"], "Please provide 'bitnet' or 'b158'"),
    (["quantize", "in", "--recipe", "b158", "--include", "["], "'[' is invalid for '--include"),
    (["quantize", "in", "--recipe", "b158", "--exclude", "("], "'(' is invalid for '--exclude"),
    (
      ["quantize", "in", "--recipe", "b158", "--groups", "0"],
      "'0' is invalid for '--groups'. Please provide a number of at least 1."
    ),
    (
      ["quantize", "in", "--recipe", "b158", "--groups", "2", "--outtype", "i2_s"],
      "'--outtype i2_s' has one scale per tensor"
    ),
    (
      ["quantize", "in", "--recipe", "bitnet", "--outtype", "hf"],
      "'--outtype hf' holds ternary codes"
    ),
  ])
  func badOptionIsAUsageError(arguments: [String], message: String) async throws {
    let run = try await Program.run(arguments + ["-o", folder.path("out.safetensors")])
    run.expectUsageError(message, usage: "bitlinear \(arguments[0]) <input>")
    #expect(folder.names("") == [])
  }

  /// A checkpoint with latent weights, whose layer has a norm inside and a bias.
  @Test(arguments: ["hf", "bitlinear", "tq2_0"])
  func quantizesLayersWithNormAndBias(type: String) async throws {
    let weight = Tensor((0..<8 * 256).map { Float($0 % 7) - 3 }).reshaped([8, 256])
    let norm = Tensor((0..<256).map { 1 + Float($0) / 256 })
    let bias = Tensor((0..<8).map { Float($0) / 3 })
    let online = folder.path("online")
    try FileManager.default.createDirectory(atPath: online, withIntermediateDirectories: false)
    try SafetensorsWriter.write(
      [
        SafetensorsEntry("a.weight", weight), SafetensorsEntry("a.bias", bias),
        SafetensorsEntry("a.rms_norm.weight", norm),
      ], to: "\(online)/model.safetensors")
    let config: JSONValue = [
      "quantization_config": [
        "quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online",
        "use_rms_norm": true, "rms_norm_eps": 0.001,
      ]
    ]
    try AtomicFile.write(config.encoded, to: "\(online)/config.json")
    var recipe = QuantizationRecipe.b158
    recipe.normalization = .rms(epsilon: 0.001)
    var matrix = WeightQuantizer.ternary.quantize(weight)
    if type == "tq2_0" {
      // Whose scales are half precision numbers.
      matrix = try CodeMatrix(
        codes: matrix.codes, rows: 8, columns: 256, alphabet: .ternary,
        scales: .groups([Float(Float16(matrix.scales.values[0]))]))
    }
    let expected = try PackedBitLinear(
      matrix: matrix, bias: bias, recipe: recipe, normWeight: norm)

    let out = folder.path(type == "tq2_0" ? "out.gguf" : "out")
    let run = try await Program.run([
      "quantize", online, "-o", out, "--recipe", "b158", "--outtype", type,
    ])
    #expect(run.code == 0, "\(run.error)")
    let layer: PackedBitLinear
    if type == "hf" {
      let checkpoint = try ShardedSafetensors(path: out)
      let quantization = try #require(try checkpoint.quantization())
      #expect(quantization.mode == .offline)
      layer = try HuggingFaceLayer("a", from: checkpoint, quantization: quantization).packedLayer()
    } else {
      var path = "\(out)/model.safetensors"
      if type == "tq2_0" {
        path = folder.path("back.safetensors")
        let back = try await Program.run([
          "convert", out, "-o", path, "--outtype", "bitlinear", "--verify",
        ])
        #expect(back.code == 0, "\(back.error)")
      }
      layer = try SafetensorsFile(path: path).packedLayer("a")
    }
    #expect(layer.recipe == recipe)
    #expect(layer.normWeight == norm)
    #expect(layer.matrix.codes == matrix.codes)
    #expect(layer.matrix.scales.values[0] == matrix.scales.values[0])
    let input = Tensor((0..<256).map { Float($0 % 11) - 4 }).reshaped([1, 256])
    for (a, b) in zip(layer(input).scalars, expected(input).scalars) {
      // Hugging Face's bias is stored divided by the scale.
      #expect(type == "hf" ? abs(a - b) <= 2 * b.ulp : a == b)
    }
  }

  /// The recipe stands in GGUF too, whatever was quantized.
  @Test(arguments: ["safetensors", "gguf"])
  func recipeIsKept(suffix: String) async throws {
    let weight = Tensor((0..<8 * 256).map { Float($0 % 7) - 3 }).reshaped([8, 256])
    let input = folder.path("float.\(suffix)")
    if suffix == "gguf" {
      try GGUFWriter.write(
        [GGUFEntry("a.weight", weight)], metadata: ["general.architecture": .string("other")],
        to: input)
    } else {
      try SafetensorsWriter.write([SafetensorsEntry("a.weight", weight)], to: input)
    }
    let (out, back) = (folder.path("out.gguf"), folder.path("back.safetensors"))
    let run = try await Program.run(["quantize", input, "-o", out, "--recipe", "bitnet"])
    #expect(run.code == 0, "\(run.error)")
    let convert = try await Program.run(["convert", out, "-o", back, "--verify"])
    #expect(convert.code == 0, "\(convert.error)")
    let layer = try SafetensorsFile(path: back).packedLayer("a")
    #expect(layer.recipe == .bitnet)
    #expect(layer.matrix.codes == WeightQuantizer.sign.quantize(weight).codes)
  }

  @Test func rowsThatAreNoMultipleOfFour() async throws {
    let input = folder.path("float.safetensors")
    try SafetensorsWriter.write(
      [
        SafetensorsEntry("a.weight", Tensor(repeating: 1, shape: [8, 64])),
        SafetensorsEntry("odd.weight", Tensor(repeating: 1, shape: [6, 64])),
      ], to: input)
    let out = folder.path("out.safetensors")
    let options = ["quantize", input, "-o", out, "--recipe", "b158"]
    try await Program.run(options).expectRefusal(
      source: "\(input), tensor \"odd.weight\"", found: "6 rows of ternary weights",
      expected: "a multiple of 4 for --outtype hf; --outtype bitlinear holds any number, and "
        + "--exclude leaves")
    #expect(folder.names("") == ["float.safetensors"])
    for hint in [["--outtype", "bitlinear"], ["--exclude", "odd"]] {
      let run = try await Program.run(options + hint)
      #expect(run.code == 0, "\(run.error)")
    }
  }

  /// An I2_S file does not tell its layout.
  @Test func layoutOfI2S() async throws {
    let codes = (0..<8 * 128).map { (index: Int) -> Int8 in Int8(index * 5 % 7 % 3) - 1 }
    let tensor = try CodedTensor(
      codes: codes, rows: 8, columns: 128, scaleKind: .tensor, scales: [0.1], source: "test")
    let (input, out) = (folder.path("arm.gguf"), folder.path("out.safetensors"))
    try GGUFWriter.write(
      [GGUFEntry("a.weight", tensor, type: .i2_s, i2sLayout: .arm)],
      metadata: ["general.architecture": .string("other")], to: input)
    for (layout, isRight) in [("arm", true), ("x86", false)] {
      let run = try await Program.run(["convert", input, "-o", out, "--i2s-layout", layout])
      #expect(run.code == 0, "\(run.error)")
      let read = try #require(try ModelFile(path: out).tensors.first)
      guard case .codes(let found) = read.content else { throw CocoaError(.featureUnsupported) }
      #expect(try (found.rows(0..<8).codes == codes) == isRight)
    }
    try await Program.run(["convert", out, "-o", input, "--i2s-layout", "arm"]).expectRefusal(
      source: "--i2s-layout", found: "\(out), which is no GGUF file", expected: "a GGUF file")
  }

  @Test func aWeightOfZerosIsReported() async throws {
    let input = folder.path("zeros.safetensors")
    try SafetensorsWriter.write(
      [
        SafetensorsEntry("a.weight", Tensor(repeating: 0, shape: [4, 8])),
        SafetensorsEntry("b.weight", Tensor(repeating: 1, shape: [4, 8])),
      ], to: input)
    let arguments = ["quantize", input, "-o", folder.path("out.safetensors"), "--recipe", "b158"]
    let run = try await Program.run(arguments)
    #expect(run.code == 0)
    #expect(run.lines.filter { $0.contains("all zero") }.map { $0.prefix(8) } == ["a.weight"])
    let layers = try #require(
      try await Program.run(arguments + ["--json"]).json()["layers"] as? [[String: Any]])
    #expect(layers.map { $0["all_zero"] as? Bool } == [true, false])
  }

  /// Ctrl-C once the file has a temporary name: neither that one nor the final one is left.
  @Test func interruptedConversionLeavesNoFile() async throws {
    let input = try folder.writeLongModel("in.safetensors")
    let process = try Program.process(
      [Program.path(), "convert", input, "-o", folder.path("out.gguf"), "--outtype", "tq1_0"], [:])
    process.standardOutput = try folder.handle("stdout")
    process.standardError = try folder.handle("stderr")
    try await Program.runToEnd(process) { [folder] identifier in
      while kill(identifier, 0) == 0, !folder.names("").contains(where: { $0.contains(".tmp-") }) {
        usleep(1000)
      }
      kill(identifier, SIGINT)
    }
    #expect(process.terminationReason == .exit)
    #expect(process.terminationStatus == 130)
    #expect(try folder.text("stdout") == "" && folder.text("stderr") == "")
    #expect(folder.names("") == ["in.safetensors", "stderr", "stdout"])
  }

  /// A single file of Hugging Face's layers says itself what its scales do.
  @Test func inspectTellsWhatScalesDo() async throws {
    let packed = folder.path("packed.safetensors")
    let run = try await Program.run(["quantize", try floats(), "-o", packed, "--recipe", "b158"])
    #expect(run.code == 0)
    let inspected = try await Program.run(["inspect", packed, "--tensor", "a.weight"])
    #expect(inspected.output.contains("multiplies"))
    #expect(
      inspected.output.contains("\nMinimum  ") && !inspected.output.contains("No config.json"))
  }
}
