import BitCore
import BitFiles
import BitFormats
import BitLM
import Foundation
import Testing

/// Models whose logits were computed with transformers, and those logits.
struct GoldenModel: Sendable, CustomTestStringConvertible {
  /// The folder or file in the golden files of BitFormatsTests.
  let path: String
  /// The file with the logits in the golden files of these tests.
  let reference: String
  /// The name in `models.json`.
  let name: String
  /// How inputs were rounded: "a8" or "a16" as there, or "tiny" for the models of `tiny/`.
  let kind: String

  var testDescription: String { "\(path), \(kind)" }

  static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  var modelPath: String {
    Self.tests.deletingLastPathComponent()
      .appendingPathComponent("BitFormatsTests/Golden/\(path)").path
  }

  static func json(_ name: String) throws -> JSONValue {
    try JSONValue(
      parsing: String(contentsOf: tests.appendingPathComponent("Golden/\(name)"), encoding: .utf8))
  }

  /// What `models.json` says about the model's sequences.
  var description: JSONValue {
    get throws {
      if kind == "tiny" {
        let all = try Self.json("tiny/models.json")
        var members = all["models"]?[name]?.objectValue ?? [:]
        members["sequences"] = all["sequences"]
        return .object(members)
      }
      let model = try Self.json("lm/models.json")["models"]?[name]
      return model?[kind] ?? .null
    }
  }

  /// The ids of each sequence.
  var sequences: [[Int32]] {
    get throws { try Self.ids(description["sequences"]) }
  }

  static func ids(_ value: JSONValue?) throws -> [[Int32]] {
    try (value?.arrayValue ?? []).map { sequence in
      try (sequence.arrayValue ?? []).map {
        guard let id = $0.integerValue.flatMap({ Int32(exactly: $0) }) else {
          throw GoldenError.malformed
        }
        return id
      }
    }
  }

  /// The logits of a sequence.
  func logits(_ sequence: Int) throws -> Tensor {
    let file = try SafetensorsFile(
      path: Self.tests.appendingPathComponent("Golden/\(reference)").path)
    return try file.tensor("logits.\(sequence)")
  }

  /// How far the logits of a sequence are from the reference's; infinity for NaN.
  func difference(_ sequence: Int, _ logits: [[Float]]) throws -> Float {
    let expected = try self.logits(sequence)
    let vocabulary = expected.shape.features
    // Of long sequences, some positions at equal distances up to the last.
    let step = logits.count / expected.shape.rows
    let positions = Array(stride(from: step - 1, to: logits.count, by: step))
    try #require(expected.shape.rows == positions.count)
    var worst: Float = 0
    for (row, position) in positions.enumerated() {
      try #require(logits[position].count == vocabulary)
      for id in 0..<vocabulary {
        let difference = logits[position][id] - expected.scalars[row * vocabulary + id]
        worst = max(worst, difference.isNaN ? .infinity : abs(difference))
      }
    }
    return worst
  }

  /// How far logits may be from the reference's.
  func tolerance(_ sequence: Int) -> Float {
    // Here an input lies within 2e-5 of the middle between two integers. Computed in double, the
    // whole model rounds it as ours does and differs from the reference by 0.0259, too.
    let isTie = path == "tiny64-offline-autobitlinear-bf16" && sequence == 0
    return isTie ? 0.03 : 1e-4
  }

  func load(_ options: LanguageModel.Options? = nil) throws -> LanguageModel {
    var options = options ?? LanguageModel.Options(cachePrecision: .float32)
    if kind == "a16", options.activations == nil { options.activations = .float }
    options.gguf = ggufOptions
    return try LanguageModel.load(path: modelPath, options: options)
  }

  /// Nothing in the file tells that it is in the layout of ARM.
  var ggufOptions: GGUFOptions {
    GGUFOptions(i2sLayout: path.hasSuffix("i2_s-arm.gguf") ? .arm : nil)
  }

  enum GoldenError: Error { case malformed }

  private static func folder(_ name: String, _ kind: String = "a8") -> GoldenModel {
    let file = kind == "a16" && name.hasPrefix("llama-b158") ? "reference_a16" : "reference"
    return GoldenModel(
      path: "lm/\(name)", reference: "lm/\(name)/\(file).safetensors", name: name, kind: kind)
  }

  private static func gguf(_ name: String, of model: String, _ kind: String = "a8") -> GoldenModel {
    let file = kind == "a16" && model.hasPrefix("llama-b158") ? "reference_a16" : "reference"
    return GoldenModel(
      path: "lm/gguf/\(name).gguf", reference: "lm/\(model)/\(file).safetensors", name: model,
      kind: kind)
  }

  private static func tiny(
    _ name: String, path: String? = nil, of model: String? = nil, file: String = "reference"
  ) -> GoldenModel {
    GoldenModel(
      path: path ?? name, reference: "tiny/\(model ?? name)/\(file).safetensors",
      name: model ?? name, kind: "tiny")
  }

  /// All of them.
  static let all: [GoldenModel] =
    ["llama-b158-256", "llama-b158-64-rope3", "bitnet-64-long"].map { folder($0) }
    + ["llama-b158-256", "llama-b158-64-rope3"].map { folder($0, "a16") }
    + ["qwen3-t128-tied", "qwen3-t128-untied", "qwen3-s128-untied"].map { folder($0, "a16") }
    + ["tq2_0", "i2_s"].flatMap { type in
      ["a8", "a16"].map { gguf("llama-b158-256-\(type)", of: "llama-b158-256", $0) }
    }
    + [gguf("llama-b158-64-rope3-f16", of: "llama-b158-64-rope3")]
    + ["q2_0", "pq2_0", "q2_0-g128-old"].map {
      gguf("qwen3-t128-tied-\($0)", of: "qwen3-t128-tied", "a16")
    }
    + [
      gguf("qwen3-t128-untied-q2_0", of: "qwen3-t128-untied", "a16"),
      gguf("qwen3-s128-untied-q1_0", of: "qwen3-s128-untied", "a16"),
      gguf("llama-float-64-q8_0", of: "llama-float-64-q8_0", "a16"),
      gguf("llama-float-64-q4_1", of: "llama-float-64-q4_1", "a16"),
      gguf("llama-float-256-q6_k", of: "llama-float-256-q6_k", "a16"),
      tiny("tiny64-online-f32"),
      tiny("tiny64-online-bf16", file: "reference_f32compute"),
      tiny("tiny64-offline-autobitlinear-f32"),
      tiny("tiny64-offline-autobitlinear-bf16", file: "reference_f32compute"),
      tiny("tiny64-offline-bitlinear-f32-untied"),
      tiny("tiny256-offline-f32"),
    ]
    + ["tq1_0", "tq2_0", "i2_s-x86", "i2_s-arm"].map {
      tiny("tiny256", path: "gguf/tiny256-\($0).gguf", of: "tiny256-offline-f32")
    }
}
