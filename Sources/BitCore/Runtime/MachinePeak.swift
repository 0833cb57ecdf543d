import CBitKernels
import Synchronization

/// The limits of the machine, which benchmarks compare with.
package struct MachinePeak: Sendable {
  private let memory: AlignedBuffer<UInt8>
  private let peak: bk_peak_kernels

  /// Peaks over up to `bytes` bytes of memory.
  package init(bytes: Int, kernels: KernelSet = .active) {
    memory = AlignedBuffer(repeating: 1, count: max(256, bytes / 256 * 256), for: .weights)
    peak = kernels.table.pointee.peak.pointee
  }

  /// Reads the first `bytes` bytes with all threads of a pool.
  package func read(_ bytes: Int, pool: ThreadPool) {
    let pieces = min(bytes, memory.count) / 256
    memory.withUnsafeMutablePointer { memory in
      pool.parallelFor(pieces) { range in
        _ = peak.read_all(memory + 256 * range.lowerBound, 256 * range.count)
      }
    }
  }

  /// Multiplies bytes in registers as the kernels do, `rounds` times on each thread of a pool.
  ///
  /// - Returns: the number of operations, where a multiplication and an addition count as two.
  package func multiply(rounds: Int, pool: ThreadPool) -> Int {
    let products = Atomic<Int>(0)
    pool.parallelFor(pool.threads) { threads in
      for _ in threads {
        var sink: Int32 = 0
        products.add(Int(peak.dot_product(rounds, &sink)), ordering: .relaxed)
      }
    }
    return 2 * products.load(ordering: .relaxed)
  }
}
