/// Decimal numbers in the cells of a CSV file.
enum CSVNumber {
  /// 10^0 to 10^10, which float32 holds exactly.
  private static let powers: [Float] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10]

  /// The float32 nearest to the decimal number in `cell`; an infinity or NaN if the cell says so
  /// or the number is too large; nil if it is not a number.
  static func parse(_ cell: UnsafeBufferPointer<UInt8>) -> Float? {
    if let value = short(cell) { return value }
    // Hexadecimal numbers are none of CSV's.
    guard !cell.isEmpty, !cell.contains(where: { $0 | 0x20 == 0x78 }) else { return nil }
    return Float(String(decoding: cell, as: UTF8.self))
  }

  /// The number in `cell` if it is short enough for digits and power of ten both to be exact in
  /// float32, so that one division rounds correctly; else nil.
  static func short(_ cell: UnsafeBufferPointer<UInt8>) -> Float? {
    var mantissa: UInt32 = 0
    var digits = 0
    // The digits after the point; negative before it.
    var fraction = -1
    var isNegative = false
    for index in 0..<cell.count {
      let code = cell[index]
      switch code {
      case 0x30...0x39:
        mantissa = mantissa * 10 + UInt32(code - 0x30)
        digits += 1
        if fraction >= 0 { fraction += 1 }
        if mantissa > 1 << 24 { return nil }
      case 0x2e where fraction < 0:
        fraction = 0
      case 0x2b where index == 0:
        break
      case 0x2d where index == 0:
        isNegative = true
      default:
        return nil
      }
    }
    guard digits > 0, fraction < powers.count else { return nil }
    let value = fraction > 0 ? Float(mantissa) / powers[fraction] : Float(mantissa)
    return isNegative ? -value : value
  }
}
