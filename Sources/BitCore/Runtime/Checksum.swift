import CBitKernels

/// A checksum of memory that changes with any of its bytes.
///
/// It tells whether something is what it was, not whether somebody meant it to look so.
package enum Checksum {
  /// The checksum of rows of bytes that are `stride` bytes apart; it does not depend on the number
  /// of threads.
  package static func of(
    _ data: UnsafeRawPointer, rows: Int, rowBytes: Int, stride: Int
  ) -> UInt64 {
    nonisolated(unsafe) let bytes = data.assumingMemoryBound(to: UInt8.self)
    // Parts of fixed sizes, whose checksums are then the bytes of another one.
    let partRows = max(1, (1 << 18) / rowBytes)
    let parts = (rows + partRows - 1) / partRows
    var sums = [UInt64](repeating: 0, count: parts)
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      ThreadPool.shared.parallelFor(parts) { range in
        for part in range {
          let (first, end) = (part * partRows, min(rows, (part + 1) * partRows))
          if stride == rowBytes {
            sums[part] = bk_checksum(bytes + first * stride, (end - first) * rowBytes, 1)
          } else {
            sums[part] = (first..<end).reduce(1) { bk_checksum(bytes + $1 * stride, rowBytes, $0) }
          }
        }
      }
    }
    return sums.withUnsafeBytes { sums in
      bk_checksum(sums.assumingMemoryBound(to: UInt8.self).baseAddress, sums.count, 0)
    }
  }
}
