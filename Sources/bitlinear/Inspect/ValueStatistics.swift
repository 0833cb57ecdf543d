/// What can be said about numbers after going through them once, piece by piece.
///
/// NaN and infinities are counted, and left out of everything else.
struct ValueStatistics: Sendable {
  /// The numbers, those that are not finite included.
  private(set) var count = 0
  /// Numbers equal to 0.
  private(set) var zeros = 0
  private(set) var nans = 0
  private(set) var infinities = 0
  /// Numbers equal to -1 and to +1: with zeros, the codes of ternary weights kept as floats.
  private(set) var minusOnes = 0
  private(set) var plusOnes = 0
  private var least = Double.infinity
  private var greatest = -Double.infinity
  private var sum = 0.0
  private var magnitudeSum = 0.0

  /// Takes in some numbers.
  mutating func add(_ values: UnsafeBufferPointer<Double>) {
    // A sum for each piece keeps what a single one would lose in a large tensor.
    var (sum, magnitudeSum) = (0.0, 0.0)
    for value in values {
      guard value.isFinite else {
        if value.isNaN { nans += 1 } else { infinities += 1 }
        continue
      }
      sum += value
      magnitudeSum += value.magnitude
      least = min(least, value)
      greatest = max(greatest, value)
      if value == 0 { zeros += 1 } else if value == 1 { plusOnes += 1 }
      if value == -1 { minusOnes += 1 }
    }
    count += values.count
    self.sum += sum
    self.magnitudeSum += magnitudeSum
  }

  /// Takes in one number that occurs `times` times.
  mutating func add(_ value: Double, times: Int) {
    guard times > 0 else { return }
    // A code -1 with scale 0 gives -0, which prints as such.
    let value = value == 0 ? 0 : value
    count += times
    guard value.isFinite else {
      if value.isNaN { nans += times } else { infinities += times }
      return
    }
    sum += value * Double(times)
    magnitudeSum += value.magnitude * Double(times)
    least = min(least, value)
    greatest = max(greatest, value)
    if value == 0 { zeros += times }
    if value == 1 { plusOnes += times }
    if value == -1 { minusOnes += times }
  }

  /// The numbers that are neither NaN nor infinite.
  var finiteCount: Int { count - nans - infinities }
  /// The least finite number; nil if there is none.
  var minimum: Double? { finiteCount > 0 ? least : nil }
  /// The greatest finite number; nil if there is none.
  var maximum: Double? { finiteCount > 0 ? greatest : nil }
  /// The mean of the finite numbers; nil if there is none.
  var mean: Double? { finiteCount > 0 ? sum / Double(finiteCount) : nil }
  /// The mean of the magnitudes of the finite numbers, BitNet's scale; nil if there is none.
  var meanMagnitude: Double? { finiteCount > 0 ? magnitudeSum / Double(finiteCount) : nil }
  /// Whether there are numbers and all of them are 0.
  var isAllZero: Bool { count > 0 && zeros == count }
  /// Whether there are numbers and all of them are -1, 0 or 1, with ones among them.
  var isTernary: Bool {
    minusOnes + plusOnes > 0 && minusOnes + zeros + plusOnes == count
  }
}
