import BitCore
import Foundation

/// The functions that have reverse rules, written again from their formulas in Double.
enum DoubleReference {
  static func normalization(
    _ x: [Double], features: Int, groups: Int, isCentered: Bool, epsilon: Double,
    weight: [Double]?, bias: [Double]?
  ) -> [Double] {
    let size = features / groups
    var y = x
    for start in stride(from: 0, to: x.count, by: size) {
      let part = x[start..<start + size]
      let mean = isCentered ? part.reduce(0, +) / Double(size) : 0
      let square = part.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(size)
      for i in start..<start + size {
        let feature = i % features
        y[i] = (x[i] - mean) / (square + epsilon).squareRoot() * (weight?[feature] ?? 1)
        y[i] += bias?[feature] ?? 0
      }
    }
    return y
  }

  static func activation(_ kind: Activation, _ x: Double) -> Double {
    switch kind {
    case .relu: max(x, 0)
    case .squaredReLU: max(x, 0) * max(x, 0)
    case .silu: x / (1 + exp(-x))
    case .gelu: x * erfc(-x / 2.0.squareRoot()) / 2
    case .geluTanh:
      x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * pow(x, 3))))
    }
  }

  static func crossEntropy(
    _ logits: [Double], classes: Int, labels: [Int], smoothing: Double
  ) -> Double {
    var total = 0.0
    for (row, label) in labels.enumerated() {
      let x = logits[row * classes..<(row + 1) * classes]
      let largest = x.max() ?? 0
      let logSum = largest + log(x.reduce(0) { $0 + exp($1 - largest) })
      for (c, value) in x.enumerated() {
        let target = smoothing / Double(classes) + (c == label ? 1 - smoothing : 0)
        total -= target * (value - logSum)
      }
    }
    return total / Double(labels.count)
  }

  static func meanSquaredError(_ x: [Double], _ target: [Double]) -> Double {
    zip(x, target).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Double(x.count)
  }

  /// x W^T + b.
  static func linear(_ x: [Double], weight: [Double], bias: [Double]?, inputs: Int) -> [Double] {
    let outputs = weight.count / inputs
    return (0..<x.count / inputs).flatMap { row in
      (0..<outputs).map { out in
        (0..<inputs).reduce(bias?[out] ?? 0) {
          $0 + x[row * inputs + $1] * weight[out * inputs + $1]
        }
      }
    }
  }

  /// The gradient of a function of many values by central differences.
  static func gradient(at x: [Double], of loss: ([Double]) -> Double) -> [Double] {
    let step = 1e-5
    return x.indices.map { i in
      var (above, below) = (x, x)
      above[i] += step
      below[i] -= step
      return (loss(above) - loss(below)) / (2 * step)
    }
  }

  /// The sum of products: a function of the output whose gradient is `weights`.
  static func dot(_ values: [Double], _ weights: [Double]) -> Double {
    zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
