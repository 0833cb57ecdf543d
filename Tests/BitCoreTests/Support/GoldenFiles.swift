import BitCore
import Foundation
import Testing

/// Values that PyTorch computed, in float64 unless the file says otherwise.
enum Golden {
  /// The cases of `Golden/<name>.json`.
  static func cases<Case: Decodable>(_ name: String, _: Case.Type = Case.self) throws -> [Case] {
    let url = try #require(
      Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Golden"))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(File<Case>.self, from: Data(contentsOf: url)).cases
  }

  private struct File<Case: Decodable>: Decodable {
    let cases: [Case]
  }

  /// A tensor with its shape.
  struct Array: Decodable, Sendable {
    let shape: [Int]
    let data: [Double]

    var tensor: Tensor { Tensor(data.map { Float($0) }, shape: Shape(shape)) }
  }

  /// Whole-tensor absmax quantization, in float32.
  struct Absmax: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let bits: Int
    let shape: [Int]
    let input: [Double]
    /// Nil, like the next two, where the reference divides by zero.
    let scale: Double?
    let quant: [Int]?
    let dequant: [Double]?

    var testDescription: String { name }
    var tensor: Tensor { Tensor(input.map { Float($0) }, shape: Shape(shape)) }
  }

  /// The layer of the BitNet paper.
  struct OneBit: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let groups: Int
    let norm: String
    let normEps: Double
    let qb: Double
    let activation: String
    let x: Array
    let weight: Array
    let bias: Array?
    let alpha: [Double]
    let beta: [Double]
    let sign: [Int]
    let gamma: [Double]
    let xq: [Int]
    let acc: [Int]
    let y: Array

    var testDescription: String { name }
    var normalization: Normalization? { Golden.normalization(norm, normEps) }
    var quantizer: ActivationQuantizer {
      ActivationQuantizer(
        granularity: activation == "per_tensor" ? .tensor : .token,
        range: qb == 128 ? .full : .symmetric, epsilon: 1e-5)
    }
  }

  /// The layer of BitNet b1.58.
  struct Ternary: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let norm: String
    let normEps: Double
    let normWeight: [Double]?
    let x: Array
    let weight: Array
    let bias: [Double]?
    let weightAbsmean: Double
    let wq: [Int]
    let xq: [Int]
    let xInvScale: [Double]
    let acc: [Int]
    let y: Array
    /// The float32 layer that quantizes, dequantizes and multiplies floats.
    let yFakequantF32: [Double]

    var testDescription: String { name }
    var normalization: Normalization? { Golden.normalization(norm, normEps) }
  }

  /// Outputs and straight-through gradients by float64 autograd.
  struct StraightThrough: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let weightMode: String
    let groups: Int
    let norm: String
    let normEps: Double
    let lam: Double
    let quantAct: Bool
    let quantWeight: Bool
    let x: Array
    let weight: Array
    let bias: [Double]?
    let normWeight: [Double]?
    let normBias: [Double]?
    let dy: Array
    let y: Array
    let dx: Array
    let dw: Array
    let dbias: [Double]?
    let dnormWeight: [Double]?
    let dnormBias: [Double]?

    var testDescription: String { name }
    var normalization: Normalization? { Golden.normalization(norm, normEps) }
  }

  private static func normalization(_ name: String, _ epsilon: Double) -> Normalization? {
    switch name {
    case "layernorm": .layer(epsilon: Float(epsilon))
    case "rmsnorm": .rms(epsilon: Float(epsilon))
    default: nil
    }
  }
}
