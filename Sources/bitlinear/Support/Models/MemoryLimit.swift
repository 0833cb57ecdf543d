import BitCore
import BitLM

/// How fast memory can be read, beside how fast generating reads it.
///
/// Each token needs all weights once, and the keys and values of the tokens before it. So memory
/// limits how many there can be in a second.
struct MemoryLimit {
  /// Bytes that are read for a token.
  let bytesPerToken: Int
  /// Bytes that can be read in a second, in 10^9.
  let gbps: Double

  /// The most memory that is read for measuring: more than the caches of most CPUs.
  private static let mostBytes = 256 << 20

  /// Measures for some 50 ms with all threads of the shared pool.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - positions: how many tokens come before a token, on average.
  ///   - roundSeconds: the time for each of five rounds.
  init(of model: LanguageModel, positions: Int, roundSeconds: Double = 0.01) {
    bytesPerToken = model.bytesPerToken + positions * model.cacheBytesPerToken
    // As much as a token needs, so that a small model is compared with reading from the caches.
    let bytes = max(1 << 16, min(bytesPerToken, Self.mostBytes))
    let peak = MachinePeak(bytes: bytes)
    let timing = Timing.inTurn(
      rounds: 5, roundSeconds: roundSeconds, [{ peak.read(bytes, pool: .shared) }])[0]
    gbps = Double(bytes) / timing.median * 1e-3
  }

  /// The most tokens in a second.
  var tokensPerSecond: Double { gbps * 1e9 / Double(bytesPerToken) }
}
