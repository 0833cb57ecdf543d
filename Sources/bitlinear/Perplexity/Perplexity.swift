import BitCore
import BitFiles

/// The mean of numbers that come one by one, and how far it may be off.
struct RunningMean {
  private(set) var count = 0
  private var sum = 0.0
  private var squares = 0.0

  mutating func add(_ value: Double) {
    count += 1
    sum += value
    squares += value * value
  }

  var mean: Double { count > 0 ? sum / Double(count) : 0 }

  /// The standard error of the mean: the standard deviation over the root of the count less one, as
  /// llama.cpp has it.
  var error: Double {
    guard count > 1 else { return 0 }
    let variance = squares / Double(count) - mean * mean
    return (max(0, variance) / Double(count - 1)).squareRoot()
  }
}

/// How well a model predicts a text.
struct Perplexity {
  /// The negative logarithms of the probabilities of the tokens.
  private(set) var losses = RunningMean()

  /// Counts a token.
  ///
  /// - Throws: ``InputError`` of kind `.notFinite` if the logits are no numbers.
  mutating func add(_ token: Int32, _ logits: [Float]) throws(InputError) {
    losses.add(try Self.loss(of: token, logits))
  }

  /// The negative logarithm of a token's probability; throws as ``add(_:_:)`` does.
  static func loss(of token: Int32, _ logits: [Float]) throws(InputError) -> Double {
    let sum = logits.withUnsafeBufferPointer { DecoderMath().logSumExp($0) }
    let loss = sum - Double(logits[Int(token)])
    guard loss.isFinite else {
      throw InputError(
        .notFinite, source: "logits", found: "a loss of \(loss) for token \(token)",
        expected: "numbers, which a model with finite weights gives")
    }
    return loss
  }

  /// The perplexity, and its standard error. Infinite for a hopeless model.
  var value: Double { 1 / PortableMath.exp(-max(0, losses.mean)) }
  var error: Double { losses.error * value }
}

/// How much the predictions of a model differ from those of the same model with activations that
/// are not rounded.
struct Divergence {
  /// The Kullback-Leibler divergences: sum over all tokens of p * (log p - log q), where p is the
  /// probability with floats and q the other.
  private(set) var divergences = RunningMean()
  /// How often the most likely token is the same.
  private(set) var sameTop = 0

  /// Counts a position.
  mutating func add(exact: [Float], rounded: [Float]) {
    let math = DecoderMath()
    let exactSum = exact.withUnsafeBufferPointer { math.logSumExp($0) }
    let roundedSum = rounded.withUnsafeBufferPointer { math.logSumExp($0) }
    var divergence = 0.0
    var (exactTop, roundedTop) = (0, 0)
    for index in exact.indices {
      let p = Double(exact[index]) - exactSum
      let q = Double(rounded[index]) - roundedSum
      // Less than any sum of them can show. Rounding may put the only likely one above 0.
      if p > -60 { divergence += PortableMath.exp(min(0, p)) * (p - q) }
      if exact[index] > exact[exactTop] { exactTop = index }
      if rounded[index] > rounded[roundedTop] { roundedTop = index }
    }
    divergences.add(divergence)
    sameTop += exactTop == roundedTop ? 1 : 0
  }

  var shareOfSameTop: Double {
    divergences.count > 0 ? Double(sameTop) / Double(divergences.count) : 0
  }
}
