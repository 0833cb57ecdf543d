import BitCore

extension RotaryScaling.YaRN {
  /// `0.1 ln(factor) + 1`, or 1 for factors up to 1 (arXiv 2309.00071, equation 22).
  public static func defaultAttentionFactor(_ factor: Float) -> Float {
    factor <= 1 ? 1 : Float(0.1 * SystemMath.log(Double(factor)) + 1)
  }

  /// The share of each frequency that is divided by the factor, from 0 to 1, rising linearly
  /// between the index that makes `betaFast` turns and that which makes `betaSlow`.
  func ramp(theta: Float, length: Int) -> [Float] {
    func index(turns: Float) -> Double {
      let turn = Double(originalContext) / (Double(turns) * 2 * .pi)
      return Double(length) * SystemMath.log(turn) / (2 * SystemMath.log(Double(theta)))
    }
    let low = max(index(turns: betaFast).rounded(.down), 0)
    var high = min(index(turns: betaSlow).rounded(.up), Double(length - 1))
    if low == high { high += 0.001 }
    return (0..<length / 2).map { min(max((Float($0) - Float(low)) / Float(high - low), 0), 1) }
  }
}
