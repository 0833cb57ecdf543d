import BitCore

/// Numbers as text for people, the same in every locale.
package enum NumberText {
  /// The value with a fixed number of decimals, never "-0.00"; in powers of ten where it is large.
  package static func fixed(_ value: Double, decimals: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
    let unit = (0..<decimals).reduce(UInt64(1)) { power, _ in power * 10 }
    let scaled = (value.magnitude * Double(unit)).rounded()
    guard scaled < 1e18 else { return "\(value)" }
    let digits = UInt64(scaled)
    let sign = value < 0 && digits > 0 ? "-" : ""
    guard decimals > 0 else { return sign + String(digits) }
    let fraction = String(digits % unit)
    let zeros = String(repeating: "0", count: decimals - fraction.count)
    return sign + String(digits / unit) + "." + zeros + fraction
  }

  /// A fraction as a percentage: 0.8991 is "89.9%".
  package static func percent(_ fraction: Double, decimals: Int = 1) -> String {
    fixed(fraction * 100, decimals: decimals) + "%"
  }

  /// A whole number with its thousands set off: "669,706".
  package static func grouped(_ value: Int) -> String {
    var groups: [Substring] = []
    var digits = Substring(String(value.magnitude))
    while digits.count > 3 {
      groups.append(digits.suffix(3))
      digits = digits.dropLast(3)
    }
    groups.append(digits)
    return (value < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
  }
}
