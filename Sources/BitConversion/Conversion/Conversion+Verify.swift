import BitCore
import BitFiles
import BitFormats

extension Conversion {
  /// Reads the result back and compares it with the source; see ``write(verifying:progress:)``.
  ///
  /// - Returns: the number of weights and of other elements that were compared.
  /// - Throws: `InputError` of kind `.mismatch` that names the tensor and the first difference,
  ///   `.missing` for a tensor that is not there; and what reading and `progress` throw.
  @discardableResult
  public func verify(progress: ConversionProgress.Handler? = nil) throws -> Int {
    try ConversionMonitor.run(progress) { (monitor) throws(InputError) in
      let path = if case .folder(let folder) = target { folder } else { target.file }
      return try verify(ModelFile(path: path), monitor)
    }
  }

  /// Compares what was written with the source: every weight, in its codes and values, and every
  /// other tensor.
  ///
  /// - Returns: the number of weights and of other elements that were compared.
  func verify(_ written: ModelFile, _ monitor: ConversionMonitor) throws(InputError) -> Int {
    var indices: [ByteKey: Int] = [:]
    for (index, tensor) in written.tensors.enumerated() { indices[ByteKey(tensor.name)] = index }
    let total = source.byteCount
    var (done, count) = (0, 0)
    for item in plan.items {
      guard let index = indices[ByteKey(item.name)] else {
        throw InputError(
          .missing, source: path, found: "no tensor \(ErrorText.quoted(item.name))",
          expected: "one, as in \(source.path)")
      }
      try compare(item, written.tensors[index]) { (fraction) throws(InputError) in
        try monitor.report(
          .verifying, done + Int(fraction * Double(item.tensor.byteCount)), of: total)
      }
      item.tensor.releasePages()
      written.tensors[index].releasePages()
      done += item.tensor.byteCount
      count += item.tensor.count
      try monitor.report(.verifying, done, of: total)
    }
    return count
  }

  private func compare(
    _ item: ConversionItem, _ written: ModelTensor,
    _ progress: (Double) throws(InputError) -> Void
  ) throws(InputError) {
    let tensor = item.tensor
    func difference(_ found: String, _ expected: String) -> InputError {
      InputError(
        .mismatch, source: written.source, found: found,
        expected: "\(expected), as in \(tensor.source)")
    }
    // GGUF has no scalars.
    let shape = tensor.shape.isEmpty && target.isGGUF ? [1] : tensor.shape
    guard written.shape == shape else {
      throw difference(ErrorText.list(written.shape), ErrorText.list(shape))
    }
    if let codes = item.codes {
      guard let other = written.codes else { throw difference("no codes", "codes") }
      try RowPieces.forEach(
        codes.rows, by: codes.pieceRows,
        make: { (range) throws(InputError) in
          // Few rows per comparison: memory that is small is used again, not mapped anew.
          let step = max(1, (1 << 16) / max(1, codes.columns))
          for first in stride(from: range.lowerBound, to: range.upperBound, by: step) {
            let rows = first..<min(range.upperBound, first + step)
            try compare(codes, other, rows: rows, difference)
          }
        },
        use: { (range, _) throws(InputError) in
          try progress(Double(range.upperBound) / Double(codes.rows))
        })
    } else if case .copied = item.storage, tensor.rowOrder == nil {
      try compareBytes(tensor.extent, written.extent, difference)
    } else {
      try compareFloats(item, written, difference, progress)
    }
  }

  private func compareFloats(
    _ item: ConversionItem, _ written: ModelTensor,
    _ difference: (_ found: String, _ expected: String) -> InputError,
    _ progress: (Double) throws(InputError) -> Void
  ) throws(InputError) {
    let tensor = item.tensor
    let mayRound = if case .rescaled = item.storage { options.isLossy } else { false }
    for first in stride(from: 0, to: tensor.rows, by: tensor.pieceRows) {
      let range = first..<min(tensor.rows, first + tensor.pieceRows)
      let (x, y) = (try tensor.values(range).map(item.stored), try written.values(range))
      let bad = x.indices.first {
        mayRound ? abs(x[$0] - y[$0]) > 4 * x[$0].ulp : x[$0].bitPattern != y[$0].bitPattern
      }
      if let bad {
        throw difference("\(y[bad]) as element \(first * tensor.columns + bad)", "\(x[bad])")
      }
      try progress(Double(range.upperBound) / Double(tensor.rows))
    }
  }

  private func compareBytes(
    _ a: ByteExtent, _ b: ByteExtent,
    _ difference: (_ found: String, _ expected: String) -> InputError
  ) throws(InputError) {
    guard b.byteCount == a.byteCount else {
      throw difference("\(b.byteCount) bytes", "\(a.byteCount)")
    }
    for start in stride(from: 0, to: a.byteCount, by: 1 << 20) {
      let range = start..<min(a.byteCount, start + 1 << 20)
      let same = try a.withBytes(range) { (bytes) throws(InputError) in
        try b.withBytes(range) { FileSystem.areEqual(bytes, $0) }
      }
      guard same else { throw difference("other bytes after byte \(start)", "the same bytes") }
      a.releasePages(range)
      b.releasePages(range)
    }
  }

  private func compare(
    _ codes: CodedTensor, _ other: CodedTensor, rows range: Range<Int>,
    _ difference: (_ found: String, _ expected: String) -> InputError
  ) throws(InputError) {
    let (a, b) = (try codes.rows(range), try other.rows(range))
    let isSame = a.codes.withUnsafeBytes { a in
      b.codes.withUnsafeBytes { FileSystem.areEqual(a, $0) }
    }
    if !isSame, let bad = a.codes.indices.first(where: { a.codes[$0] != b.codes[$0] }) {
      throw difference(
        "the code \(b.codes[bad]) in row \(range.lowerBound + bad / codes.columns), "
          + "column \(bad % codes.columns)", "\(a.codes[bad])")
    }
    guard let bad = a.firstDifference(from: b) else { return }
    throw difference(
      "the scale \(bad.other) in row \(bad.row), column \(bad.column)", "\(bad.scale)")
  }
}
