import CBitKernels

/// What a machine can do at most, measured: the yardstick of benchmarks.
package struct MachinePeak: Sendable {
  private let memory: AlignedBuffer<UInt8>
  private let kernels: Kernels

  /// Limits measured over up to `bytes` bytes of memory.
  package init(bytes: Int, kernels: Kernels = .active) {
    memory = AlignedBuffer(repeating: 1, count: max(256, bytes / 256 * 256), for: .weights)
    self.kernels = kernels
  }

  /// Reads the first `bytes` bytes with all threads of a pool.
  package func read(_ bytes: Int, pool: ThreadPool) {
    let pieces = min(bytes, memory.count) / 256
    pool.parallelFor(pieces) { range in
      _ = kernels.table.pointee.read_all(memory.pointer + 256 * range.lowerBound, 256 * range.count)
    }
  }

  /// Multiplies bytes in registers with all threads of a pool, as the kernels do, `rounds` times
  /// on each; returns the number of operations, a multiplication and an addition counting two.
  package func multiply(rounds: Int, pool: ThreadPool) -> Int {
    let counts = AlignedBuffer<Int>(repeating: 0, count: pool.threads)
    pool.parallelFor(pool.threads) { range in
      for thread in range {
        var sink: Int32 = 0
        counts.pointer[thread] = Int(kernels.table.pointee.dot_product_peak(rounds, &sink))
      }
    }
    defer { withExtendedLifetime(counts) {} }
    return 2 * counts.elements.reduce(0, +)
  }
}
