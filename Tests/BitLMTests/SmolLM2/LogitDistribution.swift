import BitLM
import Foundation

/// The probabilities that logits mean, in double precision.
struct LogitDistribution {
  private let logits: [Float]
  /// The logarithm of the sum of `exp(logit)`.
  private let logSum: Double

  init(_ logits: TokenLogits) {
    guard case .all(let values) = logits else { preconditionFailure("all logits were asked for") }
    self.logits = values
    logSum = values.withUnsafeBufferPointer { values in
      let largest = Double(values.max() ?? 0)
      return largest + log(values.reduce(0.0) { $0 + exp(Double($1) - largest) })
    }
  }

  /// The token with the largest logit, of equal ones the first.
  var best: Int { logits.indices.max { (logits[$0], $1) < (logits[$1], $0) } ?? 0 }

  /// The negative logarithm of the probability of a token.
  func surprise(_ id: Int32) -> Double { logSum - Double(logits[Int(id)]) }

  /// The Kullback-Leibler divergence of another distribution from this one, the sum of
  /// `p * log(p / q)`, in nats.
  func divergence(of other: LogitDistribution) -> Double {
    logits.withUnsafeBufferPointer { p in
      other.logits.withUnsafeBufferPointer { q in
        p.indices.reduce(0.0) { sum, id in
          let (a, b) = (Double(p[id]) - logSum, Double(q[id]) - other.logSum)
          return sum + exp(a) * (a - b)
        }
      }
    }
  }
}
