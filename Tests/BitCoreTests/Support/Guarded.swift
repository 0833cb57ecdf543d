/// Memory with a margin on both sides, whose bytes must not change.
final class Guarded<Element: FixedWidthInteger> {
  private static var margin: Int { 64 }
  private static var mark: Element { 0x5a }

  let count: Int
  private let start: UnsafeMutablePointer<Element>

  init(count: Int) {
    self.count = count
    start = .allocate(capacity: count + 2 * Self.margin)
    start.initialize(repeating: Self.mark, count: count + 2 * Self.margin)
  }

  deinit { start.deallocate() }

  var pointer: UnsafeMutablePointer<Element> { start + Self.margin }
  var values: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
  var isIntact: Bool {
    (0..<Self.margin).allSatisfy {
      start[$0] == Self.mark && pointer[count + $0] == Self.mark
    }
  }
}
