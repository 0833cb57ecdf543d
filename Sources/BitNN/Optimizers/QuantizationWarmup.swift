import BitCore

/// How quantization begins in models that start from trained float weights (lambda warm-up).
public struct QuantizationWarmup: Sendable, Hashable {
  /// Steps over which the strength rises linearly from 0 to 1; 0 for full strength from the
  /// start. (Llama3-8B-1.58 was tuned with 1,000.)
  public var steps: Int

  /// A warm-up over the given steps.
  public init(steps: Int = 0) { self.steps = steps }

  /// The strength at a step, min(step / steps, 1).
  public func strength(step: Int) -> QuantizationStrength {
    step >= steps ? .full : QuantizationStrength(Float(step) / Float(steps))
  }
}
