import CBitKernels
import Synchronization

/// Memory for packed weights on large pages, if the operating system has them: streaming weights
/// is about a quarter faster from pages of 2 MiB than from pages of 4 KiB.
///
/// The codes of a small layer do not fill a large page, so layers share slabs. A slab is freed with
/// the last buffer in it.
final class LargePageArena: Sendable {
  private static let pageBytes = 2 << 20
  private static let slabBytes = 16 << 20
  /// The minimum size of a buffer here; smaller ones live in the ordinary heap.
  static let minimumBytes = 128 << 10

  /// The slab for the next buffer, and how many of its bytes are in use.
  private static let current = Mutex<(slab: LargePageArena, used: Int)?>(nil)

  private nonisolated(unsafe) let memory: UnsafeMutableRawPointer

  private init(bytes: Int) {
    memory = .allocate(byteCount: bytes, alignment: Self.pageBytes)
    bk_advise_large(memory, bytes)
  }

  deinit { memory.deallocate() }

  /// `bytes` bytes at a multiple of `alignment`, and the owner that keeps them allocated.
  static func allocate(
    _ bytes: Int, alignment: Int
  ) -> (memory: UnsafeMutableRawPointer, owner: LargePageArena) {
    // A slab of its own wastes less than one of its many pages.
    if bytes > slabBytes / 2 {
      let slab = LargePageArena(bytes: (bytes + pageBytes - 1) / pageBytes * pageBytes)
      return (slab.memory, slab)
    }
    return current.withLock { current in
      var offset = current.map { ($0.used + alignment - 1) / alignment * alignment } ?? slabBytes
      if offset + bytes > slabBytes {
        current = (LargePageArena(bytes: slabBytes), 0)
        offset = 0
      }
      guard let slab = current?.slab else { preconditionFailure("a new slab is missing") }
      current?.used = offset + bytes
      return (slab.memory + offset, slab)
    }
  }
}
