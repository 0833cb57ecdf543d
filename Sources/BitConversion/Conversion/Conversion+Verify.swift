import BitCore
import BitFormats
import BitFiles

extension Conversion {
  /// Reads the result back and compares every weight, in its codes and values, and every other
  /// tensor. Where scales may be rounded, only the codes of weights are compared.
  ///
  /// - Returns: the number of weights and of other elements that were compared.
  /// - Throws: ``InputError`` of kind `.mismatch` that names the tensor and the first difference,
  ///   `.missing` for a tensor that is not there; what reading and `progress` throw.
  @discardableResult
  public func verify(progress: ConversionProgress.Handler? = nil) throws -> Int {
    try ConversionProgress.withHandler(progress) { (handler) throws(InputError) in
      try verify(handler)
    }
  }

  private func verify(_ progress: ConversionMonitor.Handler?) throws(InputError) -> Int {
    let written = try ModelFile(
      path: { if case .folder(let path) = target { path } else { target.file } }())
    var places: [ByteKey: Int] = [:]
    for (place, tensor) in written.tensors.enumerated() { places[ByteKey(tensor.name)] = place }
    let monitor = ConversionMonitor(
      step: .verifying, total: source.byteCount, handler: progress)
    var (done, count) = (0, 0)
    for item in items {
      guard let place = places[ByteKey(item.name)] else {
        throw InputError(
          .missing, source: path, found: "no tensor \(ErrorText.quoted(item.name))",
          expected: "one, as in \(source.path)")
      }
      try compare(item, written.tensors[place]) { (fraction) throws(InputError) in
        try monitor.report(done + Int(fraction * Double(item.tensor.byteCount)))
      }
      item.tensor.releasePages()
      written.tensors[place].releasePages()
      done += item.tensor.byteCount
      count += item.tensor.count
      try monitor.report(done)
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
    guard written.count == tensor.count, written.columns == tensor.columns else {
      throw difference(ErrorText.list(written.shape), ErrorText.list(tensor.shape))
    }
    if let codes = tensor.codes {
      guard let other = written.codes else { throw difference("no codes", "codes") }
      try RowPieces.forEach(
        codes.rows, by: codes.pieceRows,
        make: { (range) throws(InputError) in
          try compare(codes, other, rows: range, difference)
        },
        use: { (range, _) throws(InputError) in
          try progress(Double(range.upperBound) / Double(codes.rows))
        })
    } else if case .floats = tensor.content,
      item.isRescaled || tensor.type.description != written.type.description
    {
      for first in stride(from: 0, to: tensor.rows, by: tensor.pieceRows) {
        let range = first..<min(tensor.rows, first + tensor.pieceRows)
        let (x, y) = (try tensor.values(range), try written.values(range))
        let isSame: (Int) -> Bool =
          item.isRescaled && options.isLossy
          ? { abs(x[$0] - y[$0]) <= 4 * x[$0].ulp } : { x[$0].bitPattern == y[$0].bitPattern }
        if let bad = x.indices.first(where: { !isSame($0) }) {
          throw difference("\(y[bad]) as element \(first * tensor.columns + bad)", "\(x[bad])")
        }
        try progress(Double(range.upperBound) / Double(tensor.rows))
      }
    } else {
      let size = tensor.place.byteCount
      guard written.place.byteCount == size else {
        throw difference("\(written.place.byteCount) bytes", "\(size)")
      }
      for start in stride(from: 0, to: size, by: 1 << 20) {
        let range = start..<min(size, start + 1 << 20)
        let same = try tensor.place.withBytes(range) { (a) throws(InputError) in
          try written.place.withBytes(range) { FileSystem.areEqual(a, $0) }
        }
        guard same else { throw difference("other bytes after byte \(start)", "the same bytes") }
        tensor.place.releasePages(range)
        written.place.releasePages(range)
      }
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
    guard !options.isLossy,
      let bad = CodedTensor.differentScales(
        a, codes.scaleKind, b.scales, other.scaleKind, columns: codes.columns)
    else { return }
    throw difference(
      "the scale \(bad.found) in row \(range.lowerBound + bad.row), column \(bad.column)",
      "\(bad.expected)")
  }
}
