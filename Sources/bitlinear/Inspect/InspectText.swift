import BitTraining

/// Values as `inspect` prints them.
enum InspectText {
  /// A number in six digits.
  static func number(_ value: Double) -> String {
    NumberText.printf("%.6g", value)
  }

  /// A number, or "-" for none.
  static func number(_ value: Double?) -> String { value.map { number($0) } ?? "-" }

  /// The range of some floats: "0.5" or "0.25 to 0.5"; empty for none.
  static func range(_ values: [Float]) -> String {
    guard let least = values.min(), let most = values.max() else { return "" }
    return least == most ? "\(least)" : "\(least) to \(most)"
  }

  /// The beginning of a long text, for a cell of a table.
  static func shortened(_ text: String) -> String {
    text.count > 70 ? "\(text.prefix(67))..." : text
  }

  /// Bits as a whole number where they are one, otherwise with two decimals; "-" for none.
  static func bits(_ value: Double?) -> String {
    guard let value else { return "-" }
    return NumberText.fixed(value, decimals: value == value.rounded() ? 0 : 2)
  }
}
