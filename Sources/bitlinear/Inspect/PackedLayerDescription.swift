import BitNN

/// A packed layer of this project's own files, read by ranges of rows. See ``PackedLayerCoding``,
/// which reads it as a whole.
struct PackedLayerDescription {
  private let name: String
  private let file: SafetensorsFile
  private let weight: SafetensorsTensor
  private let scale: SafetensorsTensor
  private let alphabet: WeightQuantizer
  private let columns: Int
  /// The columns that share a scale, where not all of a row do.
  private let blockColumns: Int?

  /// The packed layers of a file in the order in which they were written.
  static func layers(in file: SafetensorsFile) throws(InputError) -> [CodedLayer] {
    guard let text = file.metadata[PackedLayerCoding.metadataKey] else { return [] }
    // Checks that it is an object.
    _ = try PackedLayerCoding.names(in: file)
    let json = try JSONValue(
      parsing: text, source: "\(file.source), metadata \(PackedLayerCoding.metadataKey)")
    var layers: [CodedLayer] = []
    for member in json.objectValue ?? [:] {
      layers.append(try Self(member.key, member.value, in: file).layer())
    }
    return layers
  }

  private init(
    _ name: String, _ members: JSONValue, in file: SafetensorsFile
  ) throws(InputError) {
    let source = "\(file.source), layer \(name)"
    func member<T>(
      _ key: String, _ expected: String, _ read: (JSONValue) -> T?
    ) throws(InputError) -> T {
      guard let value = members[key].flatMap(read) else {
        throw InputError(
          .malformed, source: source, found: "\(key) \(members[key] ?? .null)", expected: expected)
      }
      return value
    }
    func tensor(
      _ part: String, _ type: DType, _ expected: String
    ) throws(InputError) -> SafetensorsTensor {
      guard let tensor = file["\(name).\(part)"], tensor.dtype == type else {
        throw InputError(
          .malformed, source: source, found: "no \(type) tensor \(name).\(part)",
          expected: expected)
      }
      return tensor
    }
    (self.name, self.file) = (name, file)
    alphabet = try member("weights", "sign or ternary") {
      $0.stringValue.flatMap(WeightQuantizer.init(rawValue:))
    }
    columns = try member("in_features", "a number of features") {
      $0.integerValue.flatMap { (1...Int64(Int32.max)).contains($0) ? Int($0) : nil }
    }
    blockColumns =
      members["block_features"] == nil
      ? nil
      : try member("block_features", "64, 128 or 256") {
        $0.integerValue.flatMap {
          Int(exactly: $0).flatMap { MatrixScales.blockLengths.contains($0) ? $0 : nil }
        }
      }
    weight = try tensor("weight", .u8, "packed codes")
    scale = try tensor("weight_scale", .f32, "scales")
    let rowBytes = PackedMatrix.rowBytes(columns: columns, alphabet: alphabet)
    guard weight.shape.count == 2, weight.shape[1] == rowBytes else {
      throw InputError(
        .mismatch, source: source, found: "packed codes \(weight.shape)",
        expected: "rows of \(rowBytes) bytes for \(columns) \(alphabet.rawValue) codes")
    }
    let rows = weight.shape[0]
    let isRight =
      if let blockColumns {
        scale.shape == [rows, (columns + blockColumns - 1) / blockColumns]
      } else {
        scale.shape.count == 1 && scale.shape[0] > 0 && rows.isMultiple(of: scale.shape[0])
      }
    guard isRight else {
      throw InputError(
        .mismatch, source: source, found: "scales \(scale.shape)",
        expected: blockColumns.map { "[\(rows), blocks of \($0)]" }
          ?? "a vector whose length divides \(rows) rows")
    }
  }

  private func layer() -> CodedLayer {
    let (file, name) = (file, name)
    let (weight, scale) = (weight, scale)
    let groups = scale.shape[0]
    let (kind, coded): (String, CodedTensor.ScaleKind) =
      if let blockColumns {
        ("block of \(blockColumns)", .block(columns: blockColumns))
      } else if groups == 1 {
        ("tensor", .tensor)
      } else {
        (groups == weight.shape[0] ? "row" : "group of rows", .row)
      }
    return CodedLayer(
      name: name, tensorName: weight.name,
      coded: CodedTensor(
        source: "\(file.source), layer \(name)", rows: weight.shape[0], columns: columns,
        alphabet: alphabet, scaleKind: coded
      ) { [self] (range) throws(InputError) in (try codes(range), try scales(range)) },
      bytes: weight.byteRange.count + scale.byteRange.count, scaleKind: kind,
      scaleCount: scale.shape.reduce(1, *),
      storedScales: { () throws(InputError) in try file.tensor(scale.name).scalars },
      forget: {
        file.forget(0..<weight.byteRange.count, of: weight)
        file.forget(0..<scale.byteRange.count, of: scale)
      })
  }

  /// Codes of rows: 2 bits for code + 1, or 1 bit for the sign, from the lowest bits on.
  private func codes(_ rows: Range<Int>) throws(InputError) -> [Int8] {
    let (columns, isSign) = (columns, alphabet == .sign)
    let rowBytes = weight.shape[1]
    return try file.withUnsafeBytes(of: weight.name, rows: rows) { bytes in
      [Int8](unsafeUninitializedCapacity: rows.count * columns) { codes, count in
        for row in 0..<rows.count {
          for column in 0..<columns {
            let byte = bytes[row * rowBytes + (isSign ? column / 8 : column / 4)]
            codes[row * columns + column] =
              isSign
              ? Int8(byte >> UInt8(column % 8) & 1) * 2 - 1
              : Int8(byte >> UInt8(column % 4 * 2) & 3) - 1
          }
        }
        count = rows.count * columns
      }
    }
  }

  /// Scales of rows as ``CodedTensor`` has them; a group's goes for each of its rows.
  private func scales(_ rows: Range<Int>) throws(InputError) -> [Float] {
    if blockColumns != nil { return try file.tensor(scale.name, rows: rows).scalars }
    let groups = scale.shape[0]
    if groups == 1 { return try file.tensor(scale.name).scalars }
    let groupRows = weight.shape[0] / groups
    let first = rows.lowerBound / groupRows
    let values = try file.tensor(
      scale.name, rows: first..<min(groups, (rows.upperBound + groupRows - 1) / groupRows)
    ).scalars
    return rows.map { values[$0 / groupRows - first] }
  }
}
