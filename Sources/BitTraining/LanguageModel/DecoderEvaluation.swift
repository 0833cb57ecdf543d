import BitCore
import BitNN

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How well a language model predicts texts.
public struct DecoderEvaluation: Sendable, Equatable {
  /// The sum of -log p over the tokens that were to be predicted, in nats.
  public let negativeLogLikelihood: Double
  /// How much text these tokens are.
  public let size: TextSize

  /// A result of the given sums.
  public init(negativeLogLikelihood: Double, size: TextSize) {
    (self.negativeLogLikelihood, self.size) = (negativeLogLikelihood, size)
  }

  /// The mean for each token, in nats.
  public var loss: Double { negativeLogLikelihood / Double(max(1, size.tokens)) }
  /// e to the ``loss``.
  public var perplexity: Double { exp(loss) }
  /// The sum in bits for each character, which tokenizers of different vocabularies can be compared
  /// with.
  public var bitsPerCharacter: Double {
    negativeLogLikelihood / log(2) / Double(max(1, size.characters))
  }

  /// Predicts each token of texts from those before it in its window.
  ///
  /// - Parameters:
  ///   - model: the model, latent or packed.
  ///   - windows: the texts.
  ///   - group: processes that share the windows; the result has the same bits for any number.
  /// - Throws: `InputError` if a process cannot be reached.
  public static func measure(
    _ model: DecoderModel, on windows: ValidationWindows, group: ProcessGroup = .alone
  ) throws(InputError) -> DecoderEvaluation {
    let indices = Array(windows.indices)
    let share = indices.indices.filter { $0 % group.count == group.rank }
    let losses = share.map { place in
      let window = windows[indices[place]]
      return model.losses(window.inputs, labels: window.labels, positions: windows.length)
        .reduce(0, +)
    }
    // Window after window, whoever computed it.
    let bytes = losses.withUnsafeBytes { Array($0) }
    let all = try group.gather(bytes).map { bytes in
      bytes.withUnsafeBytes { bytes in
        (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
      }
    }
    var (sum, size) = (0.0, TextSize())
    for place in indices.indices {
      let (process, index) = (place % group.count, place / group.count)
      guard all.indices.contains(process), all[process].indices.contains(index) else {
        throw InputError(
          .mismatch, source: "validation", found: "another number of windows in process \(process)",
          expected: "\(indices.count) windows in all processes")
      }
      sum += all[process][index]
      size += windows[indices[place]].size
    }
    return DecoderEvaluation(negativeLogLikelihood: sum, size: size)
  }
}
