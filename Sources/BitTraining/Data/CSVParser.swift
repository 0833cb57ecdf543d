import BitCore

/// Reads the lines of a CSV file into labels and values.
struct CSVParser {
  /// A piece of the text, which the caller of ``parse(_:)`` keeps alive.
  typealias Piece = UnsafeBufferPointer<UInt8>

  private(set) var labels: [Int32] = []
  /// What the columns are; nil before the first line with numbers.
  private(set) var columns: CSVColumns?

  private let source: String
  private let labelColumn: String?
  private let labelLimit: Int
  private var header: (names: [String], line: Int)?
  private var firstLine = 0
  private var line = 0
  private var row: [Float] = []
  /// The values so far, as bytes until one of them is not a byte.
  private var bytes: [UInt8] = []
  private var floats: [Float] = []
  private var needsFloats = false

  /// The values of all lines.
  var samples: LabeledDataset.Samples { needsFloats ? .floats(floats) : .bytes(bytes) }

  init(source: String, labelColumn: String?, classCount: Int?) {
    self.source = source
    self.labelColumn = labelColumn
    labelLimit = classCount ?? DatasetLimits.maximumClassCount
  }

  mutating func parse(_ text: Piece) throws(InputError) {
    var start = text.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0  // byte order mark
    var mayBeHeader = true
    while start < text.count {
      line += 1
      let end = text.end(ofPieceFrom: start, before: ASCII.lineFeed)
      let content = text.piece(start, end).trimmed
      start = end + 1
      if content.isEmpty { continue }
      if mayBeHeader {
        mayBeHeader = false
        let cells = content.cells
        let names = cells.map { String(decoding: $0.unquoted, as: UTF8.self) }
        if CSVNumber.parse(cells[0].unquoted) == nil
          || names.contains(where: { $0 == labelColumn || CSVColumns.isLabel($0) })
        {
          header = (names, line)
          continue
        }
      }
      try parse(line: content)
    }
  }

  private mutating func parse(line content: Piece) throws(InputError) {
    let columns = try columns(of: content)
    var start = 0
    var feature = 0
    for column in 0..<columns.count {
      let end = content.end(ofPieceFrom: start, before: ASCII.comma)
      let cell = content.piece(start, end)
      start = end + 1
      if column == columns.index { continue }
      // Most cells are bare short numbers.
      let value = CSVNumber.short(cell) ?? CSVNumber.parse(cell.unquoted)
      if column == columns.label {
        guard let value, let label = Int32(exactly: value), label >= 0, label < labelLimit else {
          throw error(
            value == nil ? .malformed : .mismatch, "label \(cell.quoted) in column \(column + 1)",
            "an integer in 0..<\(labelLimit)")
        }
        labels.append(label)
      } else {
        guard let value else {
          throw error(.malformed, "\(cell.quoted) in column \(column + 1)", "a number")
        }
        guard value.isFinite else {
          throw error(
            .notFinite, "\(cell.quoted) in column \(column + 1)",
            "a finite number in the range of float32")
        }
        row[feature] = value
        feature += 1
      }
    }
    appendRow()
  }

  /// What the columns are, after a check that this line has as many as the first.
  private mutating func columns(of content: Piece) throws(InputError) -> CSVColumns {
    let count = content.count { $0 == ASCII.comma } + 1
    if let columns, columns.count == count { return columns }
    if columns == nil, count == 1 {
      throw error(.malformed, "1 column", "a label and at least one number, between commas")
    }
    if let expected = columns?.count ?? header?.names.count, count != expected {
      throw error(
        .malformed, "\(count) column\(count == 1 ? "" : "s")",
        "\(expected), as in line \(columns == nil ? header?.line ?? 0 : firstLine)")
    }
    let columns = try firstColumns(count)
    self.columns = columns
    firstLine = line
    row = [Float](repeating: 0, count: count - (columns.index == nil ? 1 : 2))
    guard !row.isEmpty else {
      throw error(.malformed, "\(count) columns", "a label and at least one number")
    }
    return columns
  }

  private func firstColumns(_ count: Int) throws(InputError) -> CSVColumns {
    if let header {
      return try CSVColumns(
        names: header.names, labelColumn: labelColumn, source: "\(source):\(header.line)")
    }
    if let labelColumn {
      throw error(
        .mismatch, "numbers in the first line",
        "a header with a column named \(labelColumn.debugDescription)")
    }
    return CSVColumns(count: count)
  }

  /// Checks that the labels of a file without a header are not the numbers of its rows.
  func checkLabels() throws(InputError) {
    guard columns?.featureNames == nil, labels.count >= 10, let first = labels.first,
      first <= 1, labels.enumerated().allSatisfy({ Int($1) == $0 + Int(first) })
    else { return }
    throw InputError(
      .mismatch, source: source,
      found: "\(first), \(first + 1), \(first + 2) and so on in the first column, as row numbers",
      expected: "labels there, or a header with a column named label or class")
  }

  private mutating func appendRow() {
    if needsFloats {
      floats.append(contentsOf: row)
    } else if row.allSatisfy({ $0 >= 0 && $0 <= 255 && $0 == $0.rounded() }) {
      bytes.append(contentsOf: row.lazy.map { UInt8($0) })
    } else {
      // This is the first row that bytes cannot hold.
      needsFloats = true
      floats = bytes.map { Float($0) } + row
      bytes = []
    }
  }

  private func error(_ kind: InputError.Kind, _ found: String, _ expected: String) -> InputError {
    InputError(kind, source: "\(source):\(line)", found: found, expected: expected)
  }
}

/// The ASCII codes around cells.
private enum ASCII {
  static let lineFeed: UInt8 = 0x0a
  static let comma: UInt8 = 0x2c
  static let quote: UInt8 = 0x22

  static func isSpace(_ code: UInt8) -> Bool {
    code == 0x20 || code == 0x09 || code == 0x0d
  }
}

extension UnsafeBufferPointer<UInt8> {
  fileprivate func piece(_ start: Int, _ end: Int) -> CSVParser.Piece {
    UnsafeBufferPointer(rebasing: self[start..<end])
  }

  /// The index of the next `separator` from `start` on, or the end.
  fileprivate func end(ofPieceFrom start: Int, before separator: UInt8) -> Int {
    var end = start
    while end < count, self[end] != separator { end += 1 }
    return end
  }

  /// The pieces between commas.
  fileprivate var cells: [CSVParser.Piece] {
    var cells: [CSVParser.Piece] = []
    var start = 0
    while start <= count {
      let end = end(ofPieceFrom: start, before: ASCII.comma)
      cells.append(piece(start, end))
      start = end + 1
    }
    return cells
  }

  /// This without the spaces around it.
  fileprivate var trimmed: CSVParser.Piece {
    var start = 0
    var end = count
    while start < end, ASCII.isSpace(self[start]) { start += 1 }
    while end > start, ASCII.isSpace(self[end - 1]) { end -= 1 }
    return piece(start, end)
  }

  /// This without the spaces and the pair of quotation marks around it.
  fileprivate var unquoted: CSVParser.Piece {
    let cell = trimmed
    guard cell.count >= 2, cell.first == ASCII.quote, cell.last == ASCII.quote else { return cell }
    return cell.piece(1, cell.count - 1).trimmed
  }

  /// This as a message shows it: short, quoted, without control characters.
  fileprivate var quoted: String {
    let shown = piece(0, Swift.min(count, 32))
    let text = String(decoding: shown.trimmed, as: UTF8.self)
    return (text + (shown.count < count ? "..." : "")).debugDescription
  }
}
