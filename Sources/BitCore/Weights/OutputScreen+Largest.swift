import CBitKernels

extension OutputScreen {
  /// The largest outputs of `matrix.matmul(x)`: the `limit` largest ones, and of those the ones that
  /// are at least `maximum - delta`. Of equal outputs those of lower rows come first.
  ///
  /// - Parameters:
  ///   - x: a row of `columns` activations.
  ///   - limit: how many outputs at most.
  ///   - delta: how far they may be below the largest one, 0 or more; infinity for any distance.
  ///   - matrix: the matrix that the screen was made from.
  package func largest(
    of x: UnsafePointer<Float>, count limit: Int, within delta: Float = .infinity,
    rescoring matrix: WeightMatrix, kernels: KernelSet = .active, pool: ThreadPool = .shared
  ) -> LargestOutputs {
    precondition(
      matrix.rows == rows && matrix.columns == columns,
      "a screen of \(rows) x \(columns) is none of \(matrix.rows) x \(matrix.columns)")
    precondition(limit >= 0 && delta >= 0, "\(limit) outputs within \(delta)")
    let search = Search(
      screen: self, matrix: matrix, x: x, limit: limit, delta: delta, kernels: kernels, pool: pool)
    return search.run()
  }
}

/// One search for the largest outputs.
private struct Search {
  let screen: OutputScreen
  let matrix: WeightMatrix
  let x: UnsafePointer<Float>
  let limit: Int
  let delta: Float
  let kernels: KernelSet
  let pool: ThreadPool

  func run() -> LargestOutputs {
    // Where most rows would be rescored, and where `x` has a NaN or an infinity, screening is vain.
    guard limit > 0, limit < screen.rows / 4, let intervals = intervals() else { return fromAll() }
    let threshold = threshold(intervals)
    let candidates = intervals.rows(reaching: threshold)
    let values = products(of: candidates)
    defer { withExtendedLifetime(values) {} }
    return LargestOutputs(
      values.elements, rows: { Int(candidates[$0]) }, limit: limit, within: delta)
  }

  /// What a row's upper bound must reach: the `limit`-th largest lower bound, or more where the
  /// distance from the maximum is limited.
  private func threshold(_ intervals: Intervals) -> Double {
    let least = intervals.lowerBound(number: limit)
    guard delta < .infinity else { return least }
    // The exact maximum is among the few rows that reach the largest lower bound.
    let best = intervals.rows(reaching: intervals.lowerBound(number: 1))
    let values = products(of: best)
    defer { withExtendedLifetime(values) {} }
    let maximum = values.elements.lazy.filter { !$0.isNaN }.max() ?? -.infinity
    // As LargestOutputs has it, in Float.
    return max(least, Double(maximum - delta))
  }

  /// The whole product.
  private func fromAll() -> LargestOutputs {
    let values = AlignedBuffer<Float>(uninitialized: screen.rows)
    defer { withExtendedLifetime(values) {} }
    matrix.multiply(x, tokens: 1, values.pointer, kernels: kernels, pool: pool)
    return LargestOutputs(values.elements, rows: { $0 }, limit: limit, within: delta)
  }

  private func products(of rows: [UInt32]) -> AlignedBuffer<Float> {
    let values = AlignedBuffer<Float>(uninitialized: rows.count)
    matrix.multiply(x, rows: rows, values.pointer, kernels: kernels, pool: pool)
    return values
  }

  /// The intervals of all outputs; nil if `x` has a NaN or an infinity.
  private func intervals() -> Intervals? {
    let columns = screen.columns
    let padded = (columns + 3) / 4 * 4
    let bytes = AlignedBuffer<Int8>(uninitialized: 2 * padded)
    var input = bk_screen_input(
      high: bytes.pointer, low: bytes.pointer + padded, step: 0, length: 0, residual: 0)
    bk_screen_quantize(kernels.table, x, columns, &input)
    guard input.length < .infinity else { return nil }
    let intervals = Intervals(count: screen.rows)
    let panel = Int(BK_PANEL_ROWS)
    let (kernelScreen, kernelInput) = (screen.kernelScreen, input)
    pool.parallelFor(
      (screen.rows + panel - 1) / panel, grain: 1 + (1 << 17) / (panel * columns + 1)
    ) { panels in
      withUnsafePointer(to: kernelScreen) { screen in
        withUnsafePointer(to: kernelInput) { input in
          bk_screen_product(
            kernels.table, screen, input,
            bk_range(first: panels.lowerBound, end: panels.upperBound),
            intervals.estimates.pointer, intervals.errors.pointer)
        }
      }
    }
    withExtendedLifetime((bytes, screen)) {}
    return intervals
  }
}

/// For each row an estimate of the output, and what it may be wrong by: infinity where nothing is
/// known.
///
/// Sums of them are made in Double. The kernels' bounds are larger than they need be by more than
/// what is rounded there.
private struct Intervals {
  let estimates: AlignedBuffer<Float>
  let errors: AlignedBuffer<Float>

  init(count: Int) {
    estimates = AlignedBuffer(uninitialized: count)
    errors = AlignedBuffer(uninitialized: count)
  }

  /// The `number`-th largest one of the lower bounds; `number` is 1 or more.
  func lowerBound(number: Int) -> Double {
    defer { withExtendedLifetime((estimates, errors)) {} }
    var heap = BoundedHeap(limit: number)
    for (estimate, error) in zip(estimates.elements, errors.elements) {
      heap.insert(Double(estimate) - Double(error))
    }
    return heap.isFull ? heap.least : -.infinity
  }

  func rows(reaching threshold: Double) -> [UInt32] {
    defer { withExtendedLifetime(self) {} }
    let (estimates, errors) = (estimates.elements, errors.elements)
    var rows: [UInt32] = []
    for index in 0..<estimates.count
    where Double(estimates[index]) + Double(errors[index]) >= threshold {
      rows.append(UInt32(index))
    }
    return rows
  }
}
