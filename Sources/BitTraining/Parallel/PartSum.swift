import BitCore

/// Adds up the results of the parts of a batch in the order of ``BatchParts``, as they come.
///
/// ```swift
/// var sum = PartSum(count: range.count)
/// for part in range { sum.add(gradient(of: part)) }
/// var total = sum.total
/// try group.sum(&total)
/// ```
///
/// At most log2 of the number of parts, and one more, are kept at a time.
public struct PartSum: Sendable {
  /// The number of parts: all of the batch, or those of one process.
  public let count: Int
  /// The number of parts that were added.
  public private(set) var added = 0

  /// The number of parts that are added one after another, below the halves.
  private let runLength: Int
  /// Sums of branches, each larger than the next, and the run that is not complete.
  private var branches: [PartResult] = []

  /// The sum of `count` parts, at least 1.
  public init(count: Int) {
    precondition(count > 0, "a sum of at least one part, not of \(count)")
    self.count = count
    runLength = count >> count.trailingZeroBitCount
  }

  /// Adds the result of the next part.
  public mutating func add(_ part: PartResult) {
    precondition(added < count, "a sum of \(count) parts has no room for another one")
    if added % runLength == 0 {
      branches.append(part)
    } else {
      branches[branches.count - 1].add(part)
    }
    added += 1
    guard added % runLength == 0 else { return }
    // As digits are carried when a binary number is counted up.
    var runs = added / runLength
    while runs % 2 == 0 {
      let later = branches.removeLast()
      branches[branches.count - 1].add(later)
      runs /= 2
    }
  }

  /// The sum, once all parts were added.
  public var total: PartResult {
    precondition(added == count, "\(added) of \(count) parts were added")
    return branches[0]
  }

  /// The number of results that are kept.
  var keptCount: Int { branches.count }
}
