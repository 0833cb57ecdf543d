import BitTraining

/// How many numbers fall into each of some ranges of equal width.
struct Histogram: Sendable {
  /// The least and the greatest number; both belong to the histogram.
  let minimum: Double
  let maximum: Double
  /// The numbers in each range, from the lowest range on.
  private(set) var counts: [Int]
  // Divided before subtracting: the difference of two doubles may be too large for a double.
  private let width: Double

  /// An empty histogram from `minimum` to `maximum`, of one range if they are equal.
  init(minimum: Double, maximum: Double, ranges: Int = 16) {
    let ranges = minimum < maximum ? ranges : 1
    self.minimum = minimum
    self.maximum = maximum
    width = maximum / Double(ranges) - minimum / Double(ranges)
    counts = [Int](repeating: 0, count: ranges)
  }

  /// Counts the numbers that are finite, all of which must be within the histogram.
  mutating func add(_ values: UnsafeBufferPointer<Double>) {
    let inverse = 1 / width
    let isWide = !(inverse.isFinite && (maximum - minimum).isFinite)
    let last = counts.count - 1
    for value in values where value.isFinite {
      let place =
        isWide ? value / width - minimum / width : (value - minimum) * inverse
      // NaN where the width is too small for a division: all numbers are nearly equal.
      counts[place.isFinite ? max(0, min(last, Int(min(place, Double(last))))) : 0] += 1
    }
  }

  /// The lower end of a range; that of the range after the last is the maximum.
  func edge(_ range: Int) -> Double {
    range >= counts.count ? maximum : minimum + width * Double(range)
  }

  /// The bars with the ranges in front of them.
  var bars: [BarChart.Bar] {
    counts.indices.map { range in
      BarChart.Bar(
        label: [InspectText.number(edge(range)), "to", InspectText.number(edge(range + 1))],
        count: counts[range])
    }
  }
}

/// Bars of characters for a terminal, one a line.
struct BarChart {
  /// A line: a label in columns, and how long the bar is.
  struct Bar {
    var label: [String]
    var count: Int
  }

  /// The bars from top to bottom.
  var bars: [Bar]
  /// The columns of characters that a line may take.
  var width = 80
  /// What bars are made of.
  var mark: Character = "#"

  /// The lines, each ended by a newline. The longest bar fills the width; a count above 0 has a
  /// mark, however small it is.
  var text: String {
    let columns = bars.map(\.label.count).max() ?? 0
    let widths = (0..<columns).map { column in
      bars.map { column < $0.label.count ? $0.label[column].count : 0 }.max() ?? 0
    }
    let most = bars.map(\.count).max() ?? 0
    let numbers = bars.map { NumberText.grouped($0.count) }
    let numberWidth = numbers.map(\.count).max() ?? 0
    let used = widths.reduce(0) { $0 + $1 + 1 } + 1 + numberWidth + 2
    // A terminal that is too narrow for labels and a bar gets the labels.
    let room = max(0, width - used)
    return zip(bars, numbers).map { bar, number in
      var line = ""
      for (cell, width) in zip(bar.label, widths) {
        line += String(repeating: " ", count: width - cell.count) + cell + " "
      }
      line += String(repeating: " ", count: 1 + numberWidth - number.count) + number
      let share = most > 0 ? Double(bar.count) / Double(most) : 0
      let length = bar.count > 0 ? max(1, Int((share * Double(room)).rounded(.down))) : 0
      if room > 0, length > 0 { line += "  " + String(repeating: mark, count: length) }
      return line + "\n"
    }.joined()
  }
}
