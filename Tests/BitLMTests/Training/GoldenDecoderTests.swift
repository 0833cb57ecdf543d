import BitCore
import BitFormats
import BitLM
import BitNN
import TestSupport
import Testing

/// The models of the golden files as models that can be trained.
struct GoldenDecoderTests {
  @Test("Logits are those of transformers", arguments: GoldenModel.all)
  func logits(_ golden: GoldenModel) throws {
    let model = try golden.decoder()
    for (index, ids) in try golden.sequences.enumerated() {
      let worst = try golden.difference(index, model.allLogits(of: ids))
      #expect(worst < golden.tolerance(index), "sequence \(index) differs by \(worst)")
    }
  }

  /// One of each kind of file.
  static let kinds = GoldenModel.all.filter { golden in
    [
      "lm/llama-b158-64-rope3, a8", "lm/bitnet-64-long, a8", "lm/qwen3-t128-tied, a16",
      "lm/gguf/llama-b158-64-rope3-f16.gguf, a8", "lm/gguf/qwen3-s128-untied-q1_0.gguf, a16",
      "lm/gguf/llama-float-64-q4_1.gguf, a16", "tiny64-online-bf16, tiny",
      "tiny64-offline-bitlinear-f32-untied, tiny",
    ].contains(golden.testDescription)
  }

  @Test("Saved decoders run as language models", arguments: kinds)
  func saved(_ golden: GoldenModel) throws {
    let model = try golden.decoder()
    try withFolder { folder in
      try model.save(toFolder: folder)
      #expect(try sameParameters(DecoderModel(ModelFile(path: folder)), model))
      var options = LanguageModel.Options(cachePrecision: .float32)
      // Weights with several scales run with rounded activations otherwise.
      if golden.kind == "a16" { options.activations = .float }
      let language = try LanguageModel.load(path: folder, options: options)
      for ids in try golden.sequences {
        let worst = largestDifference(try language.allLogits(of: ids), model.allLogits(of: ids))
        #expect(worst < 1e-4)
      }
    }
  }
}

extension GoldenModel {
  /// The model to be trained, of linear layers where activations were not rounded.
  func decoder() throws -> DecoderModel {
    let isFloat = kind == "a16" && name.hasPrefix("llama-b158")
    return try DecoderModel(
      ModelFile(path: modelPath, options: ggufOptions), projections: isFloat ? .float : .asStored)
  }
}

extension DecoderModel {
  /// The logits of every position of a text.
  func allLogits(of ids: [Int32]) -> [[Float]] {
    let logits = self(ids, positions: ids.count)
    let vocabulary = logits.shape.features
    let scalars = logits.scalars
    return ids.indices.map { Array(scalars[$0 * vocabulary..<($0 + 1) * vocabulary]) }
  }
}

/// The largest difference of logits of the same text; infinity if they cannot be compared.
func largestDifference(_ a: [[Float]], _ b: [[Float]]) -> Float {
  guard !a.isEmpty, a.map(\.count) == b.map(\.count) else { return .infinity }
  return zip(a.joined(), b.joined()).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1)
    return difference.isNaN ? .infinity : max(worst, difference)
  }
}
