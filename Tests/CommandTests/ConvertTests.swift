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
    #expect(run.output.contains("a.weight") && !run.output.contains("b.weight"))
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
    try await Program.run(["convert", packed, "-o", out, "--outtype", "q4"]).expectRefusal(
      source: "--outtype", found: "q4", expected: "hf, bitlinear")
    try await Program.run(["quantize", input, "-o", out, "--recipe", "b158", "--include", "["])
      .expectRefusal(source: "--include [", found: "", expected: "a regular expression")
    try await Program.run(["quantize", input, "-o", out, "--recipe", "b158", "--groups", "3"])
      .expectRefusal(
        source: "\(input), tensor \"a.weight\"", found: "8 x 256 weights in 3 groups",
        expected: "groups that divide")
    #expect(try await Program.run(["quantize", input, "-o", out]).code == 64)
  }
}
