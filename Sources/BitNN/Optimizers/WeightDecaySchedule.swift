/// How weight decay changes during training.
public struct WeightDecaySchedule: Sendable, Hashable, CustomStringConvertible {
  /// The strength until the end.
  public var strength: Float
  /// The share of all steps after which it is zero, 1 for never. b1.58 trains with 0.5: late in
  /// training the size of a latent weight says how sure its code is, and decay would erase that.
  public var end: Double

  /// A schedule of constant strength up to `end`.
  public init(_ strength: Float, end: Double = 1) {
    self.strength = strength
    self.end = end
  }

  /// The schedule in a few words: "0.1 up to 0.5 of all steps".
  public var description: String {
    end < 1 ? "\(strength) up to \(end) of all steps" : "\(strength)"
  }

  /// The strength at a step, 0..<totalSteps.
  public func strength(step: Int, totalSteps: Int) -> Float {
    Double(step) < end * Double(totalSteps) ? strength : 0
  }
}
