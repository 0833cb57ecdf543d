import BitCore
import BitFormats
import Foundation
import TestSupport
import Testing

@testable import BitNN

/// Values that PyTorch computed; see Golden/generate_optimizers.py.
struct GoldenTensor: Decodable, Sendable {
  let shape: [Int]
  let data: [Double]

  var tensor: Tensor { Tensor(data.map { Float($0) }, shape: Shape(shape)) }
}

enum GoldenFile {
  static func load<File: Decodable>(_ name: String, _: File.Type = File.self) throws -> File {
    let url = try #require(
      Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Golden"))
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: url))
  }
}

/// Outputs and straight-through gradients of one layer, by float64 autograd.
struct StraightThroughCase: Decodable, Sendable, CustomTestStringConvertible {
  let name, weight_mode, norm: String
  let groups: Int
  let norm_eps, lam: Double
  let quant_act, quant_weight: Bool
  let x, weight, dy, y, dx, dw: GoldenTensor
  let bias, norm_weight, norm_bias, dbias, dnorm_weight, dnorm_bias: [Double]?

  var testDescription: String { name }

  static func all() throws -> [StraightThroughCase] {
    struct File: Decodable { let cases: [StraightThroughCase] }
    return try GoldenFile.load("ste_grads", File.self).cases
  }
}

/// The file of optimizers, losses and layers.
struct OptimizersFile: Decodable {
  /// Ten steps of a small network.
  struct Training: Decodable, Sendable {
    struct Optimizer: Decodable, Sendable {
      let name: String
      let lr, weight_decay: Float
      let betas: [Float]?
      let eps, momentum: Float?
      let nesterov: Bool?
    }
    let optimizer: Optimizer
    let inputs, first_logits: GoldenTensor
    let labels: [Int32]
    let losses: [Double]
    let initial, first_gradients, after_step_1, after_step_10: [String: GoldenTensor]
  }

  struct Clip: Decodable {
    let max_norm, total_norm: Double
    let gradients, clipped: [String: GoldenTensor]
  }

  struct Loss: Decodable, Sendable, CustomTestStringConvertible {
    struct Options: Decodable, Sendable { let label_smoothing: Float? }
    enum Target: Decodable, Sendable {
      case classes([Int32])
      case values(GoldenTensor)

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let classes = try? container.decode([Int32].self) {
          self = .classes(classes)
        } else {
          self = .values(try container.decode(GoldenTensor.self))
        }
      }
    }
    let name: String
    let options: Options
    let prediction, gradient: GoldenTensor
    let target: Target
    let value: Double

    var testDescription: String { "\(name) \(options.label_smoothing ?? 0)" }
  }

  struct LayerCase: Decodable, Sendable, CustomTestStringConvertible {
    struct Options: Decodable, Sendable {
      let eps: Float?
      let groups: Int?
    }
    let name: String
    let options: Options
    let input, upstream, output: GoldenTensor
    let parameters, gradients: [String: GoldenTensor]

    var testDescription: String { name }
  }

  struct Embedding: Decodable {
    struct Indices: Decodable { let data: [Int32] }
    let weight, upstream, output, gradient: GoldenTensor
    let indices: Indices
  }

  let adamw, sgd: [String: Training]
  let clip: [Clip]
  let losses: [Loss]
  let layers: [LayerCase]
  let embedding: Embedding

  static func load() throws -> OptimizersFile { try GoldenFile.load("optimizers") }
}

/// What is wrong with `actual`, or nil if each value is within
/// `absolute + relative * |expected|` of the one expected.
func difference(
  _ actual: Tensor?, _ expected: GoldenTensor, absolute: Double, relative: Double = 0
) -> String? {
  guard let actual, actual.shape.extents == expected.shape else {
    return "shape \(actual?.shape.description ?? "none"), expected \(expected.shape)"
  }
  for (i, (a, e)) in zip(actual.scalars, expected.data).enumerated() {
    // Written so that a NaN on either side is a difference.
    guard abs(Double(a) - e) <= absolute + relative * abs(e) else {
      return "value \(i) is \(a), expected \(e)"
    }
  }
  return nil
}
