/// Round numbers along an axis and the range that they span.
struct AxisTicks: Sendable {
  /// The values that get a tick, rising.
  var values: [Double]
  /// The smallest and the largest value on the axis; always lower < upper.
  var range: ClosedRange<Double>
  /// How many decimals are needed to distinguish the ticks.
  var decimals: Int

  /// Ticks at multiples of 1, 2, 2.5 or 5 times a power of ten, about `target` of them.
  ///
  /// - Parameters:
  ///   - data: The range of the data; a single value is widened.
  ///   - minimumStep: The smallest step between ticks, such as 1 for whole epochs; 0 for none.
  ///   - isExtended: Whether the axis is extended to end at ticks at both ends.
  static func linear(
    _ data: ClosedRange<Double>, target: Int = 5, minimumStep: Double = 0, isExtended: Bool = true
  ) -> AxisTicks {
    var (lower, upper) = (data.lowerBound, data.upperBound)
    // Below this width the ticks would differ only by rounding errors.
    if upper - lower <= max(abs(lower), abs(upper)) * 1e-9 || upper - lower < 1e-200 {
      let margin = max(abs(upper) * 0.05, minimumStep, abs(upper) < 1e-12 ? 1 : 0)
      (lower, upper) = (lower - margin, upper + margin)
    }
    let step = max(roundStep((upper - lower) / Double(max(target, 1))), minimumStep)
    if isExtended {
      lower = (lower / step + 1e-9).rounded(.down) * step
      upper = (upper / step - 1e-9).rounded(.up) * step
    }
    let first = (lower / step - 1e-9).rounded(.up)
    let last = (upper / step + 1e-9).rounded(.down)
    var values: [Double] = []
    var index = first
    while index <= last, values.count < 100 {
      values.append(index * step)
      index += 1
    }
    return AxisTicks(values: values, range: lower...upper, decimals: decimals(of: step))
  }

  /// Ticks of a logarithmic axis at powers of ten, and between them as far as there is space.
  ///
  /// `data` must be above 0.
  static func logarithmic(_ data: ClosedRange<Double>) -> AxisTicks {
    let range = data.lowerBound / 1.12...data.upperBound * 1.12
    let powers = Int(log10(range.lowerBound).rounded(.down))...Int(log10(range.upperBound))
    func ticks(_ factors: [Double], every stride: Int = 1) -> [Double] {
      powers.filter { $0.isMultiple(of: stride) }
        .flatMap { power in factors.map { $0 * pow(10, Double(power)) } }
        .filter { range.contains($0) }
    }
    let choices = [ticks([1, 1.5, 2, 3, 5, 7]), ticks([1, 2, 5]), ticks([1])]
    var values =
      choices.first { $0.count <= 9 } ?? ticks([1], every: (powers.count + 8) / 9)
    if values.count < 2 { values = linear(data, target: 4).values.filter { range.contains($0) } }
    let smallest = values.min() ?? 1
    return AxisTicks(
      values: values, range: range,
      decimals: smallest >= 1 ? 0 : min(Int((-log10(smallest)).rounded(.up)) + 1, 12))
  }

  /// The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below `rough`.
  private static func roundStep(_ rough: Double) -> Double {
    guard rough > 0, rough.isFinite else { return 1 }
    let power = pow(10, log10(rough).rounded(.down))
    return ([1, 2, 2.5, 5].first { $0 * power >= rough * 0.999_999 } ?? 10) * power
  }

  /// How many decimals a multiple of the step needs.
  private static func decimals(of step: Double) -> Int {
    (0...12).first { decimals in
      let scaled = step * pow(10, Double(decimals))
      return abs(scaled - scaled.rounded()) < 1e-6 * max(scaled, 1) && scaled.rounded() > 0
    } ?? 12
  }
}
