import BitCore

/// The equal parts that the batch of each step is cut into, and who computes the gradient of each.
///
/// Float addition depends on its order, so the gradients of parts are added by a tree that depends
/// on their number alone: an even number of parts is the sum of its first half plus that of its
/// second half, and an odd number is added one after another. Processes take whole branches of the
/// tree, so that one process, which has all parts, and several get the same bits.
public struct BatchParts: Equatable, Sendable {
  /// The number of parts.
  public let count: Int

  /// A batch of `count` parts, at least 1.
  public init(_ count: Int) {
    precondition(count > 0, "a batch has at least one part, not \(count)")
    self.count = count
  }

  /// The parts of each process of a group, next to each other.
  ///
  /// - Throws: `InputError` if there is no branch of the tree for each process, with the numbers of
  ///   processes that would do.
  public func range(of group: ProcessGroup) throws(InputError) -> Range<Int> {
    guard processCounts.contains(group.count) else {
      let numbers = processCounts.map(\.description)
      throw InputError(
        .mismatch, source: "processes", found: "\(group.count) for a batch of \(count) parts",
        expected: numbers.count == 1
          ? "1, because the number of parts is odd"
          : "\(numbers.dropLast().joined(separator: ", ")) or \(numbers[numbers.count - 1])")
    }
    let share = count / group.count
    return group.rank * share..<(group.rank + 1) * share
  }

  /// The numbers of processes that can share the parts: the powers of two that divide their number.
  public var processCounts: [Int] { (0...count.trailingZeroBitCount).map { 1 << $0 } }
}
