import BitCore

/// How the codes of a row fill bytes in this project's files: consecutive, the first in the lowest
/// bits, zeros at the end.
///
/// These are the bytes of `CodeMatrix.packedRows`, for rows that are streamed. A whole matrix goes
/// from these bytes to the kernels' memory and back without codes in between.
struct RowCodes {
  private let isSign: Bool
  private let perByte: Int
  /// Codes in bytes that are full, and codes in the last byte if it is not.
  private let full: Int
  private let rest: Int
  private let columns: Int
  /// Bytes of a row.
  let bytes: Int

  init(columns: Int, _ alphabet: WeightAlphabet) {
    self.columns = columns
    isSign = alphabet == .sign
    perByte = isSign ? 8 : 4
    rest = columns % perByte
    full = columns - rest
    bytes = CodeMatrix.rowBytes(columns: columns, alphabet: alphabet)
  }

  /// Reads a row.
  ///
  /// - Returns: whether the bits after its end are zeros.
  private func decode(_ source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<Int8>) -> Bool
  {
    decodeFull(source, full, to: target)
    guard rest > 0 else { return true }
    let last = source[full / perByte]
    withUnsafeTemporaryAllocation(of: Int8.self, capacity: perByte) { codes in
      guard let codes = codes.baseAddress else { return }
      withUnsafePointer(to: last) { decodeFull($0, perByte, to: codes) }
      (target + full).update(from: codes, count: rest)
    }
    return last >> UInt8(rest * 8 / perByte) == 0
  }

  private func decodeFull(
    _ source: UnsafePointer<UInt8>, _ count: Int, to target: UnsafeMutablePointer<Int8>
  ) {
    if isSign {
      SignCodes.decode(source, count, to: target)
    } else {
      TwoBitCodes.consecutive.decode(source, count, to: target)
    }
  }

  /// Writes a row.
  private func encode(_ source: UnsafePointer<Int8>, to target: UnsafeMutablePointer<UInt8>) {
    if isSign {
      SignCodes.encode(source, full, to: target)
    } else {
      TwoBitCodes.consecutive.encode(source, full, to: target)
    }
    var last: UInt8 = 0
    for index in 0..<rest {
      let code = source[full + index]
      let field: UInt8 = isSign ? (code > 0 ? 1 : 0) : UInt8(bitPattern: code &+ 1)
      last |= field << UInt8(index * 8 / perByte)
    }
    if rest > 0 { target[full / perByte] = last }
  }

  /// The codes of some rows.
  ///
  /// - Parameters:
  ///   - bytes: the bytes of these rows, one row after the other.
  ///   - source: the tensor, for errors.
  /// - Throws: ``InputError`` of kind `.malformed` for bits that are set after the end of a row.
  func decode(
    _ source: UnsafeRawBufferPointer, rows: Range<Int>, source name: String
  ) throws(InputError) -> [Int8] {
    var badRow: Int?
    let codes = [Int8](unsafeUninitializedCapacity: rows.count * columns) { codes, count in
      guard let target = codes.baseAddress,
        let source = source.bindMemory(to: UInt8.self).baseAddress
      else { return }
      for row in 0..<rows.count {
        let isClean = decode(source + row * bytes, to: target + row * columns)
        if !isClean { badRow = badRow ?? row }
      }
      count = rows.count * columns
    }
    if let badRow {
      throw InputError(
        .malformed, source: name,
        found: "bits that are not zero at the end of row \(rows.lowerBound + badRow)",
        expected: "zero bits after \(columns) columns")
    }
    return codes
  }

  /// The bytes of rows of codes.
  func encode(_ codes: [Int8]) -> [UInt8] {
    let rows = codes.count / max(1, columns)
    var result = [UInt8](repeating: 0, count: rows * bytes)
    codes.withUnsafeBufferPointer { codes in
      result.withUnsafeMutableBufferPointer { result in
        guard let source = codes.baseAddress, let target = result.baseAddress else { return }
        for row in 0..<rows { encode(source + row * columns, to: target + row * bytes) }
      }
    }
    return result
  }
}
