import CBitKernels

/// A matrix in signed bytes that finds the rows with the largest products without reading the
/// matrix itself but for those rows.
///
/// Each row comes with bounds of what its bytes get wrong. A product with the bytes gives an interval
/// for each output of the matrix, and only rows whose interval reaches the largest ones are
/// multiplied exactly. So the result is that of the whole product, bit for bit.
package struct OutputScreen: @unchecked Sendable {
  package let rows: Int
  package let columns: Int

  // Written by `init` only, hence @unchecked Sendable.
  private let codes: AlignedBuffer<Int8>
  private let scales: AlignedBuffer<Float>
  private let norms: AlignedBuffer<Float>
  private let residuals: AlignedBuffer<Float>

  /// The screen of a matrix; nil for rows that are too long for it.
  ///
  /// - Parameters:
  ///   - matrix: the matrix.
  ///   - released: is called with rows that will not be read again, one piece of the matrix after
  ///     the other, so that a caller can give back the memory of a mapped file.
  package init?(
    _ matrix: WeightMatrix, kernels: KernelSet = .active, pool: ThreadPool = .shared,
    released: (Range<Int>) -> Void = { _ in }
  ) {
    guard matrix.columns <= Int(BK_SCREEN_COLUMNS), matrix.rows <= Int(UInt32.max) else {
      return nil
    }
    (rows, columns) = (matrix.rows, matrix.columns)
    codes = AlignedBuffer(uninitialized: bk_screen_bytes(rows, columns), for: .weights)
    scales = AlignedBuffer(uninitialized: rows)
    norms = AlignedBuffer(uninitialized: rows)
    residuals = AlignedBuffer(uninitialized: rows)
    let panel = Int(BK_PANEL_ROWS)
    // Pieces of some 8 MiB.
    let panels = max(1, (8 << 20) / max(1, panel * matrix.rowBytes))
    for first in stride(from: 0, to: rows, by: panels * panel) {
      let piece = first..<min(rows, first + panels * panel)
      pack(matrix, piece, kernels: kernels, pool: pool)
      released(piece)
    }
  }

  /// Fills the panels of some rows, the first of which is the first one of a panel.
  private func pack(
    _ matrix: WeightMatrix, _ rows: Range<Int>, kernels: KernelSet, pool: ThreadPool
  ) {
    let panel = Int(BK_PANEL_ROWS)
    let (weights, screen) = (matrix.kernelWeights, kernelScreen)
    pool.parallelFor(
      (rows.count + panel - 1) / panel, grain: 1 + 65_536 / (panel * columns + 1)
    ) { panels in
      let scratch = AlignedBuffer<UInt8>(uninitialized: bk_screen_scratch_bytes(columns))
      let range = bk_range(
        first: rows.lowerBound + panel * panels.lowerBound,
        end: min(rows.upperBound, rows.lowerBound + panel * panels.upperBound))
      withUnsafePointer(to: weights) { weights in
        withUnsafePointer(to: screen) { screen in
          bk_screen_pack(kernels.table, weights, range, screen, scratch.pointer)
        }
      }
      withExtendedLifetime(scratch) {}
    }
    withExtendedLifetime((self, matrix)) {}
  }

  /// The bytes that the screen takes in memory.
  package var byteCount: Int { codes.count + 12 * rows }

  /// The screen as kernels see it, for a caller that keeps this one alive.
  var kernelScreen: bk_screen {
    bk_screen(
      rows: rows, columns: columns, codes: codes.pointer, scales: scales.pointer,
      norms: norms.pointer, residuals: residuals.pointer)
  }
}
