/// Reads and writes the weights of packed layers as ``PackedLayerCoding`` describes them, row by
/// row.
enum PackedLayerSource {
  /// The codes of all packed layers of a file.
  static func tensors(
    of file: SafetensorsFile
  ) throws(InputError) -> [(name: String, tensor: SourceTensor)] {
    guard let text = file.metadata[PackedLayerCoding.metadataKey] else { return [] }
    let source = "\(file.source), metadata \(PackedLayerCoding.metadataKey)"
    guard let layers = try JSONValue(parsing: text, source: source).objectValue else {
      throw InputError(
        .malformed, source: source, found: "no object", expected: "a JSON object")
    }
    var tensors: [(name: String, tensor: SourceTensor)] = []
    for layer in layers {
      tensors.append((layer.key, try tensor(layer.key, layer.value, file)))
    }
    return tensors
  }

  private static func tensor(
    _ name: String, _ description: JSONValue, _ file: SafetensorsFile
  ) throws(InputError) -> SourceTensor {
    let place = "\(file.source), layer \(name)"
    let recipe = try BitQuantization(json: description, source: place)
    let alphabet = recipe.weights
    guard let columns = description["in_features"]?.integerValue.flatMap({ Int(exactly: $0) }),
      1...Int(Int32.max) ~= columns
    else {
      throw InputError(
        .malformed, source: place, found: "in_features \(description["in_features"] ?? .null)",
        expected: "a number of features")
    }
    let weight = try file.entry("\(name).weight")
    let scales = try file.entry("\(name).weight_scale")
    let rowBytes = PackedMatrix.rowBytes(columns: columns, alphabet: alphabet)
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
    let weightPlace = SourceTensor.Place.safetensors(file, weight)
    let scalePlace = SourceTensor.Place.safetensors(file, scales)
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
    var tensor = SourceTensor(
      name: weight.name, shape: [rows, columns], content: .codes(codes), place: weightPlace,
      extraBytes: scales.byteRange.count)
    tensor.layer = (description.objectValue ?? [:], scalePlace)
    return tensor
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, _ rows: Range<Int>, columns: Int,
    _ alphabet: WeightQuantizer, source: String
  ) throws(InputError) -> [Int8] {
    let bits = alphabet == .sign ? 1 : 2
    let perByte = 8 / bits
    let rowBytes = (columns + perByte - 1) / perByte
    let mask = UInt8(1 << bits - 1)
    var codes: [Int8] = []
    codes.reserveCapacity(rows.count * columns)
    for row in 0..<rows.count {
      for column in 0..<columns {
        let byte = bytes[row * rowBytes + column / perByte]
        let value = Int8(bitPattern: byte >> UInt8(column % perByte * bits) & mask)
        codes.append(alphabet == .sign ? 2 * value - 1 : value - 1)
      }
      let used = columns % perByte
      if used != 0, bytes[(row + 1) * rowBytes - 1] >> UInt8(used * bits) != 0 {
        throw InputError(
          .malformed, source: source,
          found: "bits that are not zero at the end of row \(rows.lowerBound + row)",
          expected: "zero bits after \(columns) columns")
      }
    }
    return codes
  }

  /// The bytes of rows of codes, as `PackedMatrix.packedRows` has them.
  static func encode(_ codes: [Int8], columns: Int, _ alphabet: WeightQuantizer) -> [UInt8] {
    let bits = alphabet == .sign ? 1 : 2
    let perByte = 8 / bits
    let rowBytes = (columns + perByte - 1) / perByte
    let rows = codes.count / max(1, columns)
    var bytes = [UInt8](repeating: 0, count: rows * rowBytes)
    for row in 0..<rows {
      for column in 0..<columns {
        let code = codes[row * columns + column]
        let value: UInt8 = alphabet == .sign ? (code > 0 ? 1 : 0) : UInt8(bitPattern: code + 1)
        bytes[row * rowBytes + column / perByte] |= value << UInt8(column % perByte * bits)
      }
    }
    return bytes
  }
}
