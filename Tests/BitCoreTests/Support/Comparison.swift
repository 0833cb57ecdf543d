import BitCore
import Foundation

/// A description of the first wrong value of `actual`, or nil if every value is within
/// `absolute + relative * |expected|` of the expected one.
func difference(
  _ actual: Tensor, _ expected: [Double], relative: Double, absolute: Double = 0
) -> String? {
  guard actual.count == expected.count else {
    return "\(actual.count) values of shape \(actual.shape), expected \(expected.count)"
  }
  for (i, (a, e)) in zip(actual.scalars, expected).enumerated() {
    // Written so that a NaN on either side is a difference.
    guard abs(Double(a) - e) <= absolute + relative * abs(e) else {
      return "value \(i) is \(a), expected \(e)"
    }
  }
  return nil
}

/// As above, with a tolerance relative to the largest magnitude expected.
func difference(_ actual: Tensor, _ expected: [Double], relativeToLargest: Double) -> String? {
  let largest = expected.lazy.map { abs($0) }.max() ?? 0
  return difference(actual, expected, relative: 0, absolute: relativeToLargest * largest)
}

/// Whether shapes and the bits of all values are equal, so that a NaN equals itself.
func sameBits(_ a: Tensor, _ b: Tensor) -> Bool {
  guard a.shape == b.shape else { return false }
  return a.withUnsafePointer { a in b.withUnsafePointer { memcmp(a, $0, 4 * b.count) == 0 } }
}

extension Tensor {
  /// The values in double.
  var doubles: [Double] { scalars.map { Double($0) } }

  /// The part of the tensor with a range of indices of the first axis.
  func rows(_ range: Range<Int>) -> Tensor {
    let size = count / max(1, shape[0])
    return Tensor(
      scalars[range.lowerBound * size..<range.upperBound * size],
      shape: Shape([range.count] + shape.extents.dropFirst()))
  }

  /// A tensor from values in double.
  init(doubles: [Double], shape: Shape) {
    self.init(doubles.map { Float($0) }, shape: shape)
  }
}

extension SeededGenerator {
  /// Integers drawn from a range.
  mutating func integers(_ count: Int, in range: ClosedRange<Int>) -> [Int] {
    (0..<count).map { _ in Int.random(in: range, using: &self) }
  }
}
