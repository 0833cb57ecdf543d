import CBitKernels
import Synchronization

/// Memory for packed weights on large pages, where the operating system has them: reading weights
/// in a stream is a quarter faster from pages of 2 MiB than from many of 4 KiB.
///
/// A large page is worth more than the codes of a small layer, so layers share slabs. A slab is
/// given back when the last buffer in it is gone.
final class LargePageArena: Sendable {
  private static let pageBytes = 2 << 20
  private static let slabBytes = 16 << 20
  /// Smaller buffers live in the ordinary heap.
  static let leastBytes = 128 << 10

  /// Where the next buffer goes.
  private static let current = Mutex<(slab: LargePageArena, used: Int)?>(nil)

  private nonisolated(unsafe) let memory: UnsafeMutableRawPointer

  private init(bytes: Int) {
    memory = .allocate(byteCount: bytes, alignment: Self.pageBytes)
    bk_advise_large(memory, bytes)
  }

  deinit { memory.deallocate() }

  /// `bytes` bytes at a multiple of `alignment`, and what keeps them there.
  static func allocate(
    _ bytes: Int, alignment: Int
  ) -> (memory: UnsafeMutableRawPointer, owner: LargePageArena) {
    // Wastes less than a page of many.
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
      guard let slab = current?.slab else { preconditionFailure("no slab after making one") }
      current?.used = offset + bytes
      return (slab.memory + offset, slab)
    }
  }
}
