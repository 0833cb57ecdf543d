/// Names that somebody may have meant.
enum NearNames {
  /// The nearest of `names` to one that is not among them, the nearest first.
  ///
  /// A name that contains the other comes before names that take a few changes of letters; upper
  /// and lower case count as the same.
  static func nearest(to name: String, among names: [String], limit: Int = 3) -> [String] {
    let wanted = key(name)
    guard !wanted.isEmpty else { return [] }
    var found: [(distance: Int, place: Int)] = []
    for (place, other) in names.enumerated() {
      let other = key(other)
      if contains(other, wanted) || contains(wanted, other) {
        found.append((0, place))
        continue
      }
      // More changes than this make another name of it.
      let most = max(2, wanted.count / 3)
      if abs(other.count - wanted.count) <= most {
        let distance = distance(wanted, other)
        if distance <= most { found.append((distance, place)) }
      }
    }
    return found.sorted { ($0.distance, $0.place) < ($1.distance, $1.place) }.prefix(limit)
      .map { names[$0.place] }
  }

  /// What is compared: a bounded part, as names in files may be long.
  private static func key(_ name: String) -> [UInt8] { Array(name.lowercased().utf8.prefix(128)) }

  private static func contains(_ long: [UInt8], _ short: [UInt8]) -> Bool {
    // Fewer letters are in nearly every name.
    guard short.count >= 3, short.count <= long.count else { return false }
    return (0...long.count - short.count).contains { start in
      long[start..<start + short.count].elementsEqual(short)
    }
  }

  /// The least number of bytes to insert, remove or replace (Levenshtein).
  private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var corner = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let above = row[j + 1]
        row[j + 1] = min(corner + (x == y ? 0 : 1), above + 1, row[j] + 1)
        corner = above
      }
    }
    return row[b.count]
  }
}
