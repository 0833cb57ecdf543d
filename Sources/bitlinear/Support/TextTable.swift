/// A table of text: aligned columns for a terminal, or the rows of a table of a page.
///
///     Model      Test accuracy     Size
///     ─────────────────────────────────
///     float32            90.2%  2.68 MB
///     b1.58              89.9%  0.17 MB
///
/// A column in which every cell is a number (with or without a unit) is aligned to the right.
/// Written by hand, because the tables of terminal and report need that, and packages of text tables
/// either lack it or are at version 0.0.
struct TextTable: Sendable, CustomStringConvertible {
  /// The names of the columns.
  var header: [String]
  /// The cells by rows; a row may be shorter than the header, or longer.
  var rows: [[String]]

  /// A table with these column names and rows.
  init(header: [String], rows: [[String]] = []) {
    self.header = header
    self.rows = rows
  }

  /// The number of columns of the widest row.
  var columnCount: Int { rows.reduce(header.count) { max($0, $1.count) } }

  /// For each column, whether it holds numbers and is aligned to the right.
  var isNumeric: [Bool] {
    (0..<columnCount).map { column in
      let cells = rows.compactMap { column < $0.count ? $0[column] : nil }
        .filter { !Self.placeholders.contains($0) }
      return !cells.isEmpty && cells.allSatisfy(Self.isNumber)
    }
  }

  /// The lines of the table, each ended by a newline. A character counts as one column.
  var description: String {
    let lines = ([header] + rows).map { row in
      (0..<columnCount).map { $0 < row.count ? Self.oneLine(row[$0]) : "" }
    }
    let widths = (0..<columnCount).map { column in lines.map { $0[column].count }.max() ?? 0 }
    let isNumeric = isNumeric
    var texts = lines.map { line in
      var text = ""
      for (column, cell) in line.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        text += (column > 0 ? "  " : "") + (isNumeric[column] ? padding + cell : cell + padding)
      }
      while text.last == " " { text.removeLast() }
      return text
    }
    let width = widths.reduce(0, +) + 2 * max(columnCount - 1, 0)
    texts.insert(String(repeating: "─", count: width), at: 1)
    return texts.map { $0 + "\n" }.joined()
  }

  /// Cells that stand for a missing number and so say nothing about their column.
  private static let placeholders: Set<String> = ["", "-", "–", "—", "NaN", "nan"]

  /// Whether a text is a number, perhaps with a sign, an error after "±" and a unit.
  ///
  /// "89.9%", "-1.5e-3" and "1,024 KiB" are; "784-512-10" and "layer 1" are not.
  static func isNumber(_ text: String) -> Bool {
    var rest = Substring(text)
    if let first = rest.first, "+-−~≈<>".contains(first) { rest = rest.dropFirst() }
    guard rest.first?.isASCIIDigit == true else { return false }
    rest = rest.drop { $0.isASCIIDigit || ".,_ ±e".contains($0) }
    if let first = rest.first, "+-".contains(first), text.dropLast(rest.count).last == "e" {
      rest = rest.dropFirst().drop { $0.isASCIIDigit }
    }
    return !rest.contains { $0.isASCIIDigit }
  }

  /// The text with line breaks and other control characters as spaces, so that a row is a line.
  private static func oneLine(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
