import BitCore
import BitFormats
import Foundation
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// Twenty steps of a small language model in PyTorch, in float64; see Golden/train/train.json.
private struct GoldenTraining: Decodable {
  struct Config: Decodable { let vocab, hidden, ffn, layers, kv_heads, context: Int }
  struct Optimizer: Decodable {
    let lr, eps, weight_decay: Float
    let betas: [Float]
    let steps: Int
  }
  struct Run: Decodable {
    let losses_f64, losses_spread: [Double]
    let gradient_norms: [String: Double]
  }

  let config: Config
  let optimizer: Optimizer
  let text: String
  let losses_f64, losses_spread: [Double]
  let gradient_norms: [String: Double]
  let tied: Run

  static func load() throws -> GoldenTraining {
    try GoldenFile.load("train/train", GoldenTraining.self)
  }

  static func file(_ name: String) throws -> SafetensorsFile {
    let url = try #require(
      Bundle.module.url(
        forResource: name, withExtension: "safetensors", subdirectory: "Golden/train"))
    return try SafetensorsFile(path: url.path)
  }

  /// The name of a parameter of ours in PyTorch's files.
  static func name(_ name: String) -> String {
    guard name.hasSuffix(".weight") else { return name }
    let stem = String(name.dropLast(".weight".count))
    return stem.hasPrefix("layers.") && !stem.hasSuffix(".norm") ? name : stem
  }

  func run(isTied: Bool) -> Run {
    isTied
      ? tied
      : Run(
        losses_f64: losses_f64, losses_spread: losses_spread, gradient_norms: gradient_norms)
  }

  func model(isTied: Bool) throws -> HandWrittenDecoder {
    var model = HandWrittenDecoder(
      hidden: config.hidden, inner: config.ffn, keyValueHeads: config.kv_heads,
      vocabulary: config.vocab, layers: config.layers, isTied: isTied)
    let file = try Self.file("init")
    var values: [String: Tensor] = [:]
    for (name, _) in model.parameters() { values[name] = try file.tensor(Self.name(name)) }
    #expect(values.count == file.tensors.count - (isTied ? 1 : 0))
    model.setParameters(values)
    return model
  }

  /// Rows of one token more than positions, which are both inputs and, shifted, labels.
  var batch: (tokens: [Int32], labels: [Int32]) {
    let bytes = text.utf8.map { Int32($0) }
    let rows = stride(from: 0, to: bytes.count, by: config.context + 1).map {
      bytes[$0..<$0 + config.context + 1]
    }
    return (rows.flatMap { $0.dropLast() }, rows.flatMap { $0.dropFirst() })
  }
}

/// A language model that a user writes from the parts of BitNN, beside the same one in PyTorch.
@Suite struct GoldenTrainingTests {
  @Test func firstLogits() throws {
    let golden = try GoldenTraining.load()
    let model = try golden.model(isTied: false)
    let positions = golden.config.context
    let hidden = model.hiddenStates(golden.batch.tokens, positions: positions)
    let head = try #require(model.head)
    let logits = head(hidden)
    #expect(logits.shape == [4, 32, 256])
    let expected = try GoldenTraining.file("logits").tensor("logits")
    let sampled = logits.gathered((0..<8).map { Int32($0 * 4 + 3) }, axis: 1)
    #expect(sampled.shape == expected.shape)
    #expect((sampled - expected).scalars.allSatisfy { abs($0) < 1e-4 })
  }

  /// The values of every third row of matrices, and the norms of whole gradients.
  @Test(arguments: [false, true])
  func firstGradients(isTied: Bool) throws {
    let golden = try GoldenTraining.load()
    let model = try golden.model(isTied: isTied)
    let (tokens, labels) = golden.batch
    let gradient = _Differentiation.gradient(at: model) {
      $0.loss(tokens, labels: labels, positions: golden.config.context)
    }
    let gradients = model.namedGradients(gradient)
    let norms = golden.run(isTied: isTied).gradient_norms
    #expect(gradients.count == norms.count)
    let file = try GoldenTraining.file("gradients")
    for (name, gradient) in gradients {
      let golden = GoldenTraining.name(name)
      let norm = gradient.scalars.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let expected = try #require(norms[golden])
      #expect(abs(norm - expected) < 1e-4 * expected, "\(name)")
      guard !isTied else { continue }
      let sampled =
        gradient.shape.rank == 1
        ? gradient
        : gradient.gathered(
          stride(from: 0, to: gradient.shape[0], by: 3).map { Int32($0) }, axis: 0)
      let values = try file.tensor(golden)
      #expect(sampled.shape == values.shape)
      let largest = values.scalars.reduce(0) { max($0, abs($1)) }
      #expect((sampled - values).scalars.allSatisfy { abs($0) < 1e-4 * largest }, "\(name)")
    }
  }

  /// Within three times what roundings alone do in PyTorch.
  @Test(arguments: [false, true])
  func losses(isTied: Bool) throws {
    let golden = try GoldenTraining.load()
    let run = golden.run(isTied: isTied)
    var model = try golden.model(isTied: isTied)
    let options = golden.optimizer
    var optimizer = AdamW(
      learningRate: options.lr, beta1: options.betas[0], beta2: options.betas[1],
      epsilon: options.eps, weightDecay: options.weight_decay, decaysVectors: false)
    let (tokens, labels) = golden.batch
    #expect(run.losses_f64.count == options.steps + 1)
    for (step, expected) in run.losses_f64.enumerated() {
      let (loss, pullback) = valueWithPullback(at: model) {
        $0.loss(tokens, labels: labels, positions: golden.config.context)
      }
      let limit = 3 * max(run.losses_spread[step], 1e-5)
      #expect(abs(Double(loss) - expected) < limit, "step \(step): \(loss), \(expected)")
      optimizer.update(&model, along: pullback(1))
    }
  }
}
