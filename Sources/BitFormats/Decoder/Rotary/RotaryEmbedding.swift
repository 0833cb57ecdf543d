import BitCore

/// Rotary position embeddings (Su et al., arXiv 2104.09864): the pairs of a head turn by
/// `position * frequency`, with a frequency for each pair.
///
/// The numbers are those of transformers: frequencies and angles are float32, each step rounded.
public struct RotaryEmbedding: Sendable, Hashable {
  /// The base of the frequencies, above 1.
  public var theta: Float
  /// The elements of a head that turn, an even number.
  public var length: Int
  /// How the frequencies differ from the powers of `theta`.
  public var scaling: RotaryScaling

  /// An embedding of the given numbers.
  public init(theta: Float, length: Int, scaling: RotaryScaling = .none) {
    (self.theta, self.length, self.scaling) = (theta, length, scaling)
  }

  /// What cosines and sines are multiplied with: not 1 for YaRN.
  public var attentionFactor: Float {
    if case .yarn(let yarn) = scaling { yarn.attentionFactor } else { 1 }
  }

  /// The frequencies, `theta^(-2j/length)` scaled: one for each of the `length / 2` pairs.
  public var inverseFrequencies: [Float] {
    let powers = (0..<length / 2).map { pair in
      Float(SystemMath.power(Double(theta), Double(Float(2 * pair) / Float(length))))
    }
    let plain = powers.map { 1 / $0 }
    switch scaling {
    case .none: return plain
    case .linear(let factor): return plain.map { $0 / factor }
    case .divisors(let divisors): return zip(plain, divisors).map { $0 / $1 }
    case .llama3(let factor, let low, let high, let context):
      return plain.map { Self.llama3($0, factor, low, high, Float(context)) }
    case .yarn(let yarn):
      return zip(powers, yarn.ramp(theta: theta, length: length)).map { power, share in
        let kept = 1 - share
        return 1 / (yarn.factor * power) * (1 - kept) + 1 / power * kept
      }
    }
  }

  private static func llama3(
    _ frequency: Float, _ factor: Float, _ low: Float, _ high: Float, _ context: Float
  ) -> Float {
    let turn = 2 * Float.pi / frequency
    if turn > context / low { return frequency / factor }
    if turn < context / high { return frequency }
    let smooth = (context / turn - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency
  }

  /// The cosines and sines of the angles of some positions, each row-major `[positions, length / 2]`
  /// and multiplied with ``attentionFactor``.
  ///
  /// - Parameter positions: counted from 0.
  public func tables(positions: Range<Int>) -> (cosines: [Float], sines: [Float]) {
    let (frequencies, factor) = (inverseFrequencies, attentionFactor)
    var (cosines, sines): ([Float], [Float]) = ([], [])
    cosines.reserveCapacity(positions.count * frequencies.count)
    sines.reserveCapacity(positions.count * frequencies.count)
    for position in positions {
      for frequency in frequencies {
        // The angle is rounded to float32 first, as in transformers: at large positions that
        // matters more than how its cosine is computed.
        let angle = PortableMath.sineAndCosine(Double(Float(position) * frequency))
        cosines.append(Float(angle.cosine) * factor)
        sines.append(Float(angle.sine) * factor)
      }
    }
    return (cosines, sines)
  }
}
