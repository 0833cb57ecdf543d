import BitCore
import BitFiles

/// Reads and writes the weights of packed layers as ``PackedLayerFile`` describes them, row by
/// row.
package enum PackedLayerSource {
  /// The codes of all packed layers of a file.
  package static func tensors(
    of file: SafetensorsFile
  ) throws(InputError) -> [(name: String, tensor: ModelTensor)] {
    var tensors: [(name: String, tensor: ModelTensor)] = []
    for layer in try PackedLayerFile.layers(in: file.metadata, source: file.source) {
      tensors.append((layer.key, try tensor(layer.key, layer.value, file)))
    }
    return tensors
  }

  private static func tensor(
    _ name: String, _ description: JSONValue, _ file: SafetensorsFile
  ) throws(InputError) -> ModelTensor {
    let place = "\(file.source), layer \(name)"
    let recipe = try QuantizationRecipe(json: description, source: place)
    let alphabet = recipe.weights
    guard let columns = description["in_features"]?.integerValue.flatMap({ Int(exactly: $0) }),
      1...Int(Int32.max) ~= columns
    else {
      throw InputError(
        .malformed, source: place, found: "in_features \(description["in_features"] ?? .null)",
        expected: "a number of features")
    }
    let weight = try file.info(of: "\(name).weight")
    let scales = try file.info(of: "\(name).weight_scale")
    let rowBytes = CodeMatrix.rowBytes(columns: columns, alphabet: alphabet)
    guard weight.dtype == .u8, weight.shape.count == 2, weight.shape[1] == rowBytes else {
      throw InputError(
        .mismatch, source: file.source(of: weight),
        found: "\(weight.dtype) \(ErrorText.list(weight.shape))",
        expected: "U8 [out, \(rowBytes)] for \(columns) \(alphabet.rawValue) codes")
    }
    let rows = weight.shape[0]
    let kind: CodedTensor.ScaleKind
    let groupRows: Int
    if let member = description["block_features"] {
      guard let length = member.integerValue.flatMap({ Int(exactly: $0) }), length >= 1,
        scales.dtype == .f32, scales.shape == [rows, max(1, (columns + length - 1) / length)]
      else {
        throw InputError(
          .malformed, source: file.source(of: scales),
          found: "\(scales.dtype) \(ErrorText.list(scales.shape))",
          expected: "F32 [\(rows), blocks] for blocks of \(member)")
      }
      (kind, groupRows) = (.block(columns: length), 1)
    } else {
      guard scales.dtype == .f32, scales.shape.count == 1, let groups = scales.shape.first,
        groups >= 1, rows.isMultiple(of: groups)
      else {
        throw InputError(
          .malformed, source: file.source(of: scales),
          found: "\(scales.dtype) \(ErrorText.list(scales.shape))",
          expected: "F32 [groups], a number that divides \(rows) rows")
      }
      (kind, groupRows) = (groups == 1 ? .tensor : .row, max(1, rows / groups))
    }
    let weightPlace = ModelTensor.Place.safetensors(file, weight)
    let scalePlace = ModelTensor.Place.safetensors(file, scales)
    let perRow = rows == 0 ? 1 : scales.shape.count == 2 ? scales.shape[1] : 1
    let source = file.source(of: weight)
    let codes = CodedTensor(
      source: source, rows: rows, columns: columns, alphabet: alphabet, scaleKind: kind
    ) { (range) throws(InputError) in
      let codes = try weightPlace.withBytes(
        range.lowerBound * rowBytes..<range.upperBound * rowBytes
      ) { (bytes) throws(InputError) in
        try decode(bytes, range, columns: columns, alphabet, source: source)
      }
      let first = kind == .tensor ? 0 : range.lowerBound / groupRows * perRow
      let end =
        kind == .tensor ? 1 : (range.upperBound + groupRows - 1) / groupRows * perRow
      let stored = try scalePlace.withBytes(4 * first..<4 * end) { bytes in
        (0..<end - first).map { GGUFFile.float(bytes, at: 4 * $0) }
      }
      guard kind == .row else { return (codes, stored) }
      return (codes, range.map { stored[$0 / groupRows - first] })
    }
    var tensor = ModelTensor(
      name: weight.name, shape: [rows, columns], content: .codes(codes), place: weightPlace,
      extraBytes: scales.byteRange.count)
    tensor.layer = (description.objectValue ?? [:], scalePlace)
    return tensor
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>, columns: Int,
    _ alphabet: WeightAlphabet, source: String
  ) throws(InputError) -> [Int8] {
    let layout = RowLayout(columns: columns, alphabet)
    var badRow: Int?
    let codes = [Int8](unsafeUninitializedCapacity: rows.count * columns) { codes, count in
      guard let target = codes.baseAddress,
        let source = bytes.bindMemory(to: UInt8.self).baseAddress
      else { return }
      for row in 0..<rows.count {
        let isClean = layout.decode(source + row * layout.bytes, to: target + row * columns)
        if !isClean { badRow = badRow ?? row }
      }
      count = rows.count * columns
    }
    if let badRow {
      throw InputError(
        .malformed, source: source,
        found: "bits that are not zero at the end of row \(rows.lowerBound + badRow)",
        expected: "zero bits after \(columns) columns")
    }
    return codes
  }

  /// The bytes of rows of codes, as `CodeMatrix.packedRows` has them.
  package static func encode(_ codes: [Int8], columns: Int, _ alphabet: WeightAlphabet) -> [UInt8] {
    let layout = RowLayout(columns: columns, alphabet)
    let rows = codes.count / max(1, columns)
    var bytes = [UInt8](repeating: 0, count: rows * layout.bytes)
    codes.withUnsafeBufferPointer { codes in
      bytes.withUnsafeMutableBufferPointer { bytes in
        guard let source = codes.baseAddress, let target = bytes.baseAddress else { return }
        for row in 0..<rows {
          layout.encode(source + row * columns, to: target + row * layout.bytes)
        }
      }
    }
    return bytes
  }

  /// How the codes of a row fill bytes: consecutive, the first in the lowest bits, zeros at the end.
  private struct RowLayout {
    let isSign: Bool
    let perByte: Int
    /// Codes in bytes that are full, and codes in the last byte if it is not.
    let full: Int
    let rest: Int
    let bytes: Int

    init(columns: Int, _ alphabet: WeightAlphabet) {
      isSign = alphabet == .sign
      perByte = isSign ? 8 : 4
      rest = columns % perByte
      full = columns - rest
      bytes = CodeMatrix.rowBytes(columns: columns, alphabet: alphabet)
    }

    /// Reads a row.
    ///
    /// - Returns: whether the bits after its end are zeros.
    func decode(_ source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<Int8>) -> Bool {
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
    func encode(_ source: UnsafePointer<Int8>, to target: UnsafeMutablePointer<UInt8>) {
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
  }
}
