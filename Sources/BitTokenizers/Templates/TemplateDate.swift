/// A date and time of day, for templates that print the current one by `strftime_now`.
///
/// ```swift
/// TemplateDate(year: 2026, month: 11, day: 25)
/// TemplateDate(secondsSince1970: 1_795_615_509)  // 2026-11-25 14:05:09 in UTC
/// ```
public struct TemplateDate: Sendable, Hashable {
  /// The year of the Gregorian calendar, 1 to 9999.
  public let year: Int
  /// The month, 1 to 12.
  public let month: Int
  /// The day of the month, from 1.
  public let day: Int
  /// The hour, 0 to 23.
  public let hour: Int
  /// The minute, 0 to 59.
  public let minute: Int
  /// The second, 0 to 59.
  public let second: Int

  /// A date and time of day; it must exist.
  public init(
    year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0
  ) {
    precondition(
      (1...9999).contains(year) && (1...12).contains(month)
        && (1...Self.days(ofMonth: month, year: year)).contains(day),
      "found the date \(year)-\(month)-\(day), expected one from 1-1-1 to 9999-12-31")
    precondition(
      (0..<24).contains(hour) && (0..<60).contains(minute) && (0..<60).contains(second),
      "found the time \(hour):\(minute):\(second), expected one from 0:0:0 to 23:59:59")
    self.year = year
    self.month = month
    self.day = day
    self.hour = hour
    self.minute = minute
    self.second = second
  }

  /// The date and time of a clock.
  ///
  /// - Parameters:
  ///   - secondsSince1970: Seconds since the beginning of 1970 in UTC, without leap seconds; what
  ///     is outside of the years 1 to 9999 is moved to their ends.
  ///   - secondsFromUTC: How much the local time is ahead.
  public init(secondsSince1970: Int, secondsFromUTC: Int = 0) {
    let (sum, overflow) = secondsSince1970.addingReportingOverflow(secondsFromUTC)
    let first = -719_162 * 86_400
    let last = 2_932_897 * 86_400 - 1
    let seconds = min(max(overflow ? secondsSince1970 : sum, first), last)
    let time = seconds - first
    var days = time / 86_400
    // Since 0001-01-01: 400 years have 146,097 days.
    var year = 1 + days / 146_097 * 400
    days %= 146_097
    while days >= Self.days(ofYear: year) {
      days -= Self.days(ofYear: year)
      year += 1
    }
    var month = 1
    while days >= Self.days(ofMonth: month, year: year) {
      days -= Self.days(ofMonth: month, year: year)
      month += 1
    }
    self.init(
      year: year, month: month, day: days + 1, hour: time % 86_400 / 3600,
      minute: time % 3600 / 60, second: time % 60)
  }

  private static func isLeap(_ year: Int) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  }

  private static func days(ofYear year: Int) -> Int { isLeap(year) ? 366 : 365 }

  private static func days(ofMonth month: Int, year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

/// A code in a format of dates that is not known.
struct UnknownDateCode: Error {
  /// With its percent sign.
  let code: String
}

extension TemplateDate {
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
  ]
  private static let weekdays = [
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
  ]

  /// The day of the year, from 1.
  private var dayOfYear: Int {
    (1..<month).reduce(day) { $0 + Self.days(ofMonth: $1, year: year) }
  }

  /// The day of the week, from 0 for Monday.
  private var weekday: Int {
    let before = year - 1
    // 0001-01-01 was a Monday.
    return (before * 365 + before / 4 - before / 100 + before / 400 + dayOfYear - 1) % 7
  }

  /// The date in a format of C's `strftime`, with English names.
  func formatted(_ format: String) throws(UnknownDateCode) -> String {
    var text = ""
    var scalars = format.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      guard scalar == "%" else {
        text.unicodeScalars.append(scalar)
        continue
      }
      // A hyphen, of Linux and macOS, leaves out leading zeros.
      let isShort = scalars.first == "-"
      if isShort { scalars.removeFirst() }
      guard let code = scalars.popFirst() else { throw UnknownDateCode(code: "%") }
      text += try field(code, isShort: isShort)
    }
    return text
  }

  private func field(
    _ code: Unicode.Scalar, isShort: Bool
  ) throws(UnknownDateCode) -> String {
    func padded(_ value: Int, _ width: Int, _ fill: Character = "0") -> String {
      let text = "\(value)"
      return isShort ? text : String(repeating: fill, count: max(0, width - text.count)) + text
    }
    switch code {
    case "Y": return padded(year, 1)
    case "m": return padded(month, 2)
    case "d": return padded(day, 2)
    case "e": return padded(day, 2, " ")
    case "H": return padded(hour, 2)
    case "I": return padded((hour + 11) % 12 + 1, 2)
    case "M": return padded(minute, 2)
    case "S": return padded(second, 2)
    case "j": return padded(dayOfYear, 3)
    case "y": return padded(year % 100, 2)
    case _ where isShort: throw UnknownDateCode(code: "%-\(code)")
    case "A": return Self.weekdays[weekday]
    case "a": return String(Self.weekdays[weekday].prefix(3))
    case "B": return Self.months[month - 1]
    case "b", "h": return String(Self.months[month - 1].prefix(3))
    case "p": return hour < 12 ? "AM" : "PM"
    case "u": return "\(weekday + 1)"
    case "w": return "\((weekday + 1) % 7)"
    case "F": return try formatted("%Y-%m-%d")
    case "T", "X": return try formatted("%H:%M:%S")
    case "R": return try formatted("%H:%M")
    case "D", "x": return try formatted("%m/%d/%y")
    case "c": return try formatted("%a %b %e %H:%M:%S %Y")
    case "n": return "\n"
    case "t": return "\t"
    case "%": return "%"
    default: throw UnknownDateCode(code: "%\(code)")
    }
  }
}
