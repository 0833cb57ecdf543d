/// A fixed block of memory, aligned to 64 bytes, that value types share and copy on write.
///
/// Sharing is sound because only owners write: a value type that holds a buffer writes to it after
/// `isKnownUniquelyReferenced` (or right after making it) and copies it first otherwise. That
/// discipline is what `@unchecked Sendable` stands for here; no other type in this module needs it
/// for its storage.
package final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  /// Every buffer starts on a cache line, which is also the widest vector register.
  package static var alignment: Int { 64 }

  package let pointer: UnsafeMutablePointer<Element>
  package let count: Int

  /// What the memory is a part of; nil for memory of the buffer's own, or somebody else's.
  private let owner: LargePageArena?

  /// Whether the memory is somebody else's, and only for reading.
  let isBorrowed: Bool

  /// What the memory is for: weights that are read over and over again lie on large pages.
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
    if purpose == .weights, bytes >= LargePageArena.leastBytes {
      let (part, owner) = LargePageArena.allocate(bytes, alignment: Self.alignment)
      (memory, self.owner) = (part, owner)
    } else {
      memory = .allocate(byteCount: bytes, alignment: Self.alignment)
      owner = nil
      // The system gives such memory anew each time, a page at a time: large pages are quicker.
      if bytes >= SystemMemory.largeBytes { SystemMemory.adviseLarge(memory, bytes) }
    }
    pointer = memory.bindMemory(to: Element.self, capacity: max(count, 1))
  }

  /// Somebody else's memory, which outlives the buffer and is not written to.
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

  package var elements: UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(start: pointer, count: count)
  }

  deinit {
    if owner == nil, !isBorrowed { UnsafeMutableRawPointer(pointer).deallocate() }
  }
}
