/// A block of numbers that is not copied.
///
/// Tables are looked up millions of times a second; an array would check each index.
/// `@unchecked Sendable` because tables are filled before they are shared and only read then, and a
/// cache belongs to one thread at a time.
final class Memory<Element: BitwiseCopyable>: @unchecked Sendable {
  let base: UnsafeMutablePointer<Element>
  let count: Int

  init(repeating value: Element, count: Int) {
    base = .allocate(capacity: max(1, count))
    base.initialize(repeating: value, count: count)
    self.count = count
  }

  deinit { base.deallocate() }
}
