import BitCore

/// What the columns of a CSV file are.
struct CSVColumns {
  /// The number of columns.
  let count: Int
  /// The index of the column with the labels.
  let label: Int
  /// The index of a column of row numbers, which is left out; nil if there is none.
  let index: Int?
  /// The names of the columns with values; nil without a header.
  let featureNames: [String]?

  /// The columns of a file without a header: the label comes first.
  init(count: Int) {
    self.count = count
    label = 0
    index = nil
    featureNames = nil
  }

  /// The columns of a file with a header.
  ///
  /// - Parameters:
  ///   - names: the header's cells. If the first one is empty, its column holds row numbers, as
  ///     data frames write them.
  ///   - labelColumn: the name of the label's column; nil for the one called label or class, in
  ///     capitals or not.
  ///   - source: the header's file and line, for errors.
  init(names: [String], labelColumn: String?, source: String) throws(InputError) {
    let matches = names.indices.filter { index in
      labelColumn.map { $0 == names[index] } ?? Self.isLabel(names[index])
    }
    guard let label = matches.first, matches.count == 1 else {
      let wanted = labelColumn.map(\.debugDescription) ?? "label or class"
      let found =
        matches.isEmpty
        ? "no column named \(wanted) in the header (\(Self.list(names)))"
        : "\(matches.count) columns named \(wanted)"
      throw InputError(
        .mismatch, source: source, found: found,
        expected: "one column of labels"
          + (labelColumn == nil ? ", or its name (--label-column)" : ""))
    }
    let index = names.first == "" && label != 0 ? 0 : nil
    count = names.count
    self.label = label
    self.index = index
    featureNames = names.indices.filter { $0 != label && $0 != index }.map { names[$0] }
  }

  /// Whether a header's cell names the column of the labels by itself.
  static func isLabel(_ name: String) -> Bool { ["label", "class"].contains(name.lowercased()) }

  /// The first names, for a message.
  private static func list(_ names: [String]) -> String {
    names.prefix(8).map(\.debugDescription).joined(separator: ", ")
      + (names.count > 8 ? ", ..." : "")
  }
}
