import CBitKernels

/// A fixed block of memory, aligned to 64 bytes, that value types share and copy on write.
///
/// Sharing is sound because only owners write: a value type that holds a buffer writes to it after
/// `isKnownUniquelyReferenced` (or right after making it) and copies it first otherwise. That
/// discipline is what `@unchecked Sendable` stands for here; no other type in this module needs it
/// for its storage.
package final class AlignedBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  /// Every buffer starts on a cache line, which is also the widest vector register.
  package static var alignment: Int { 64 }

  /// From here on the system is asked for large pages: streaming over many small ones costs time.
  private static var largeBytes: Int { 1 << 20 }

  package let pointer: UnsafeMutablePointer<Element>
  package let count: Int

  /// Memory for `count` elements, not yet initialized.
  package init(uninitialized count: Int) {
    self.count = count
    let bytes = max(count * MemoryLayout<Element>.stride, 1)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: Self.alignment)
    if bytes >= Self.largeBytes { bk_advise_large(memory, bytes) }
    pointer = memory.bindMemory(to: Element.self, capacity: max(count, 1))
  }

  package convenience init(repeating value: Element, count: Int) {
    self.init(uninitialized: count)
    pointer.initialize(repeating: value, count: count)
  }

  package convenience init(_ elements: some Collection<Element>) {
    self.init(uninitialized: elements.count)
    _ = UnsafeMutableBufferPointer(start: pointer, count: count).initialize(from: elements)
  }

  package func copy() -> AlignedBuffer {
    let other = AlignedBuffer(uninitialized: count)
    other.pointer.initialize(from: pointer, count: count)
    return other
  }

  package var elements: UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(start: pointer, count: count)
  }

  deinit {
    UnsafeMutableRawPointer(pointer).deallocate()
  }
}
