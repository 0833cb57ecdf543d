/// A fixed block of memory, aligned to 64 bytes, that value types share and copy on write.
///
/// Sharing is sound because only owners write: a value type that holds a buffer writes to it right
/// after making it, or after `isKnownUniquelyReferenced`, and otherwise copies it first. This
/// discipline is why `@unchecked Sendable` is right.
package final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  /// Every buffer starts on a cache line, which is also the widest vector register.
  private static var alignment: Int { 64 }

  /// The first element, for callers that keep the buffer alive; see ``withUnsafeMutablePointer(_:)``.
  package let pointer: UnsafeMutablePointer<Element>
  package let count: Int

  /// What the memory is a part of; nil for memory of the buffer's own, or of somebody else.
  private let owner: LargePageArena?

  /// Whether the memory belongs to somebody else.
  let isBorrowed: Bool

  /// What the memory is for. Weights, which are read many times, get large pages.
  package enum Purpose {
    case values
    case weights
  }

  /// Memory for `count` elements, not yet initialized.
  package init(uninitialized count: Int, for purpose: Purpose = .values) {
    self.count = count
    isBorrowed = false
    let bytes = max(count * MemoryLayout<Element>.stride, 1)
    let memory: UnsafeMutableRawPointer
    if purpose == .weights, bytes >= LargePageArena.minimumBytes {
      let (part, owner) = LargePageArena.allocate(bytes, alignment: Self.alignment)
      (memory, self.owner) = (part, owner)
    } else {
      memory = .allocate(byteCount: bytes, alignment: Self.alignment)
      owner = nil
      // The system provides so much memory anew each time, page by page: large pages are faster.
      if bytes >= SystemMemory.largeBytes { SystemMemory.adviseLarge(memory, bytes) }
    }
    pointer = memory.bindMemory(to: Element.self, capacity: max(count, 1))
  }

  /// Somebody else's memory, which must outlive the buffer. It need not be aligned, and only who
  /// knows that it is for results may write to it, right after making the buffer.
  init(borrowing memory: UnsafePointer<Element>, count: Int) {
    (pointer, self.count) = (UnsafeMutablePointer(mutating: memory), count)
    (owner, isBorrowed) = (nil, true)
  }

  package convenience init(repeating value: Element, count: Int, for purpose: Purpose = .values) {
    self.init(uninitialized: count, for: purpose)
    pointer.initialize(repeating: value, count: count)
  }

  package convenience init(_ elements: some Collection<Element>) {
    self.init(uninitialized: elements.count)
    _ = UnsafeMutableBufferPointer(start: pointer, count: count).initialize(from: elements)
  }

  package func copy() -> AlignedBuffer {
    let other = AlignedBuffer(uninitialized: count, for: owner == nil ? .values : .weights)
    other.pointer.initialize(from: pointer, count: count)
    return other
  }

  /// Calls `body` with the first element and keeps the buffer alive meanwhile.
  package func withUnsafeMutablePointer<R, E: Error>(
    _ body: (UnsafeMutablePointer<Element>) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(self) {} }
    return try body(pointer)
  }

  package var elements: UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(start: pointer, count: count)
  }

  deinit {
    if owner == nil, !isBorrowed { UnsafeMutableRawPointer(pointer).deallocate() }
  }
}
