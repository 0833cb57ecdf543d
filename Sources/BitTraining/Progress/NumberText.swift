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

  /// A duration in seconds, rounded up, as minutes and seconds, "1:23", with hours, "2:03:04", or,
  /// from four days on, in days.
  package static func clock(_ seconds: Double) -> String {
    let days = seconds / 86_400
    guard days < 1_000 else { return "over 999 days" }
    guard days < 4 else { return "\(Int(days)) days" }
    let total = Int(seconds.rounded(.up))
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
    let tail = (rest < 10 ? "0" : "") + String(rest)
    return hours == 0
      ? "\(minutes):" + tail : "\(hours):" + (minutes < 10 ? "0" : "") + "\(minutes):" + tail
  }

  /// The text with spaces before it, at least `width` characters long.
  package static func padded(_ text: String, to width: Int) -> String {
    String(repeating: " ", count: max(width - text.count, 0)) + text
  }
}
