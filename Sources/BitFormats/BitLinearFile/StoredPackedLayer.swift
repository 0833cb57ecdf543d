import BitCore
import BitFiles

/// A packed layer in a safetensors file of this project, with the layout that ``PackedLayerFile``
/// describes: checked when it is opened, read when it is used.
package struct StoredPackedLayer: Sendable {
  /// The name in front of `.weight`.
  package let name: String
  /// What the metadata says about it.
  package let members: JSONObject
  /// How the layer quantizes.
  package let recipe: QuantizationRecipe
  /// The codes and scales, row by row.
  package let codes: CodedTensor
  package let weight: ByteExtent
  package let scales: ByteExtent
  private let file: SafetensorsFile
  private let format: PackedFormat?
  private let source: String

  /// Opens a layer.
  ///
  /// - Throws: ``InputError`` that names the file and the layer if its parts do not fit one another.
  package init(
    _ name: String, _ description: JSONValue, in file: SafetensorsFile
  ) throws(InputError) {
    let source = "\(file.source), layer \(name)"
    guard let members = description.objectValue else {
      throw InputError(
        .malformed, source: source, found: description.kindName, expected: "a JSON object")
    }
    func malformed(_ found: String, _ expected: String) -> InputError {
      InputError(.malformed, source: source, found: found, expected: expected)
    }
    let recipe = try QuantizationRecipe(json: description, source: source)
    guard let columns = members["in_features"]?.integerValue.flatMap({ Int(exactly: $0) }),
      1...Int(Int32.max) ~= columns
    else {
      throw malformed("in_features \(members["in_features"] ?? .null)", "a number of features")
    }
    guard let weight = file["\(name).weight"], weight.dtype == .u8, weight.shape.count == 2 else {
      throw malformed("no U8 matrix \(name).weight", "packed codes")
    }
    let packing = RowCodes(columns: columns, recipe.weights)
    // Rows of no bytes could be any number, without a byte in the file to show for them.
    guard weight.shape[1] == packing.bytes else {
      throw InputError(
        .mismatch, source: source, found: "rows of \(weight.shape[1]) bytes",
        expected: "\(packing.bytes) for \(columns) \(recipe.weights.rawValue) codes")
    }
    (self.name, self.members, self.recipe, self.file) = (name, members, recipe, file)
    self.source = source
    format = try Self.format(members, recipe.weights, malformed)
    let scales = try file.info(of: "\(name).weight_scale")
    let layout = ScaleLayout(
      try Self.scaleKind(members, scales, rows: weight.shape[0], malformed),
      rows: weight.shape[0], columns: columns)
    try Self.check(scales, layout, source: source)
    if let groups = members["groups"], groups.integerValue != Int64(layout.count) {
      throw InputError(
        .mismatch, source: source, found: "\(layout.count) scales",
        expected: "one per group, of which there are \(groups)")
    }
    (self.weight, self.scales) = (.safetensors(file, weight), .safetensors(file, scales))
    let (weightExtent, scaleExtent) = (self.weight, self.scales)
    let readScales: @Sendable (Range<Int>) throws(InputError) -> [Float] = {
      (rows) throws(InputError) in
      let indices = layout.indices(rows: rows)
      return try scaleExtent.withBytes(4 * indices.lowerBound..<4 * indices.upperBound) { bytes in
        (0..<indices.count).map { PlainNumbers.float(bytes, at: 4 * $0) }
      }
    }
    codes = CodedTensor(
      source: weightExtent.source, alphabet: recipe.weights, layout: layout, readScales: readScales
    ) { (rows) throws(InputError) in
      let bytes = rows.lowerBound * packing.bytes..<rows.upperBound * packing.bytes
      let codes = try weightExtent.withBytes(bytes) { (bytes) throws(InputError) in
        try packing.decode(bytes, rows: rows, source: weightExtent.source)
      }
      return (codes, try readScales(rows))
    }
  }

  /// Which weights share a scale, by the description and the shape of the scales.
  private static func scaleKind(
    _ members: JSONObject, _ scales: SafetensorsTensorInfo, rows: Int,
    _ malformed: (String, String) -> InputError
  ) throws(InputError) -> ScaleKind {
    let found = "\(scales.dtype) \(ErrorText.list(scales.shape)) as scales"
    if let member = members["block_features"] {
      guard let length = member.integerValue.flatMap({ Int(exactly: $0) }),
        WeightScales.blockLengths.contains(length)
      else { throw malformed("block_features \(member)", "64, 128 or 256") }
      guard scales.dtype == .f32, scales.shape.count == 2, scales.shape[0] == rows else {
        throw malformed(found, "F32 [\(rows), blocks] of finite numbers")
      }
      return .block(columns: length)
    }
    guard scales.dtype == .f32, scales.shape.count == 1 else {
      throw malformed(found, "F32, a vector of finite numbers, none negative")
    }
    return scales.shape[0] == 1 ? .tensor : .groups(scales.shape[0])
  }

  private static func check(
    _ scales: SafetensorsTensorInfo, _ layout: ScaleLayout, source: String
  ) throws(InputError) {
    if case .groups(let groups) = layout.kind {
      guard groups > 0, layout.rows.isMultiple(of: groups) else {
        throw InputError(
          .mismatch, source: "\(source), scales", found: "\(groups) groups",
          expected: "a number that divides \(layout.rows) rows")
      }
    }
    let count = scales.shape.reduce(1, *)
    guard case .block(let length) = layout.kind, count != layout.count else { return }
    throw InputError(
      .mismatch, source: "\(source), scales", found: "\(count) scales",
      expected: "\(layout.count) for \(layout.rows) x \(layout.columns) in blocks of \(length)")
  }

  private static func format(
    _ members: JSONObject, _ alphabet: WeightAlphabet,
    _ malformed: (String, String) -> InputError
  ) throws(InputError) -> PackedFormat? {
    guard let member = members["format"] else { return nil }
    guard let format = member.stringValue.flatMap(PackedFormat.init(rawValue:)),
      format.alphabet == alphabet
    else {
      throw malformed(
        "format \(member)",
        PackedFormat.allCases.filter { $0.alphabet == alphabet }.map(\.rawValue)
          .joined(separator: " or "))
    }
    return format
  }

  /// The whole layer, ready to run.
  ///
  /// - Throws: ``InputError`` that names the file and the layer for codes or scales that are not
  ///   sound, and for a bias or norm that does not fit.
  package func packedLayer() throws(InputError) -> PackedBitLinear {
    let values = try storedScales()
    let scales: WeightScales =
      if case .block(let length) = codes.scaleKind { .blocks(columns: length, values) } else {
        .groups(values)
      }
    let bytes = try weight.withBytes(0..<weight.byteCount) { Array($0) }
    let matrix = try CodeMatrix(
      packedRows: bytes, rows: codes.rows, columns: codes.columns, alphabet: codes.alphabet,
      scales: scales, format: format, source: source)
    func optional(_ part: String) throws(InputError) -> Tensor? {
      file["\(name).\(part)"] == nil ? nil : try file.tensor("\(name).\(part)")
    }
    let (bias, normWeight, normBias) = (
      try optional("bias"), try optional("norm.weight"), try optional("norm.bias")
    )
    do {
      return try PackedBitLinear(
        matrix: matrix, bias: bias, recipe: recipe, normWeight: normWeight, normBias: normBias)
    } catch {
      throw error.inside(source)
    }
  }

  /// The scales, in the order of ``ScaleLayout``.
  ///
  /// - Throws: ``InputError`` of kind `.malformed` for scales that are not sound.
  package func storedScales() throws(InputError) -> [Float] {
    let isBlock = if case .block = codes.scaleKind { true } else { false }
    let tensor = try file.tensor("\(name).weight_scale")
    guard tensor.scalars.allSatisfy({ $0.isFinite && (isBlock || $0 >= 0) }) else {
      throw InputError(
        .malformed, source: source, found: "scales \(tensor)",
        expected: isBlock
          ? "[\(codes.rows), blocks] of finite numbers"
          : "a vector of finite numbers, none negative")
    }
    return tensor.scalars
  }
}
