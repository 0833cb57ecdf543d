import BitTraining

extension LineChart {
  /// How values are written.
  enum ValueFormat: Sendable {
    /// As they are.
    case number
    /// Fractions as percentages.
    case percent

    /// A value of a curve, with about three digits that matter.
    func text(_ value: Double) -> String {
      switch self {
      case .percent where value != 0 && abs(value) < 0.01:
        NumberText.printf("%.2g", value * 100) + "%"
      case .percent: NumberText.percent(value)
      case .number where abs(value) >= 1e5 || abs(value) < 0.1:
        NumberText.printf("%.3g", value)
      case .number: NumberText.fixed(value, decimals: abs(value) >= 100 ? 1 : 3)
      }
    }

    /// A tick of the vertical axis, with the decimals that distinguish it from the others.
    func tick(_ value: Double, of ticks: AxisTicks, isLogarithmic: Bool) -> String {
      switch self {
      case .percent where isLogarithmic: NumberText.printf("%g", value * 100) + "%"
      case .percent: NumberText.percent(value, decimals: max(ticks.decimals - 2, 0))
      case .number where isLogarithmic && value < 1e-4: NumberText.printf("%.0e", value)
      case .number where isLogarithmic: NumberText.printf("%g", value)
      case .number where ticks.decimals > 6 || abs(value) >= 1e5: NumberText.printf("%.3g", value)
      case .number: NumberText.fixed(value, decimals: ticks.decimals)
      }
    }
  }
}
