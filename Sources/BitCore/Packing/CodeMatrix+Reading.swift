import CBitKernels
import Synchronization

extension CodeMatrix {
  /// A packed matrix whose codes are read some rows at a time, on several threads, so that they are
  /// never in memory as a whole but for their packed form.
  ///
  /// - Parameters:
  ///   - rows: the output features.
  ///   - columns: the input features.
  ///   - alphabet: the values that the codes can take.
  ///   - scales: the factors of the codes.
  ///   - format: how to pack the codes; nil for the alphabet's default.
  ///   - read: gives the codes of some rows, row-major, all of them in the alphabet.
  /// - Throws: ``InputError`` for extents, scales or a format that do not fit, and what `read`
  ///   throws; of several errors that of the first rows.
  package init(
    rows: Int, columns: Int, alphabet: WeightAlphabet, scales: WeightScales,
    format: PackedFormat? = nil, pool: ThreadPool = .shared,
    read: (Range<Int>) throws(InputError) -> [Int8]
  ) throws(InputError) {
    try Self.check(columns: columns)
    try scales.check(rows: rows, columns: columns)
    self.init(
      rows: rows, columns: columns, alphabet: alphabet,
      format: try alphabet.checkedFormat(format), scales: scales)
    let failure = Mutex<(row: Int, error: InputError)?>(nil)
    fillStrips(pool: pool) { first, count, panels in
      do throws(InputError) {
        let codes = try read(first..<first + count)
        precondition(
          codes.count == count * columns, "\(codes.count) codes for \(count) x \(columns)")
        codes.withUnsafeBufferPointer {
          if let codes = $0.baseAddress { bk_panels_from_codes(codes, count, columns, panels) }
        }
      } catch {
        panels.initialize(repeating: 0, count: Self.stripPanels * bk_panel_bytes(columns))
        failure.withLock { if first < $0?.row ?? .max { $0 = (first, error) } }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }
}
