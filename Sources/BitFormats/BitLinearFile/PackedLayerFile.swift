import BitCore
import BitFiles

/// How packed layers are written to safetensors files.
///
/// A layer named `layers.0` takes these tensors:
///
///     layers.0.weight        U8   [out, bytes of a row]   see CodeMatrix.packedRows
///     layers.0.weight_scale  F32  [groups]                multiplies; [out, blocks] where a scale
///                                                         goes by a block of weights along a row
///     layers.0.bias          F32  [out]                   if there is one
///     layers.0.norm.weight   F32  [in]                    if learned
///     layers.0.norm.bias     F32  [in]                    if learned
///
/// and a member of the JSON object in the metadata `bitlinear.layers`, which holds what the tensors
/// do not tell: the number of input features, the recipe, the weights in a block (if there are
/// blocks) and the format in memory (if not the default one).
public enum PackedLayerFile {
  /// The key of the metadata that describes the packed layers.
  public static let metadataKey = "bitlinear.layers"

  /// The tensors and the metadata of packed layers.
  public static func encode(
    _ layers: [(name: String, layer: PackedBitLinear)]
  ) -> (entries: [SafetensorsEntry], metadata: String) {
    var entries: [SafetensorsEntry] = []
    var description = JSONObject()
    for (name, layer) in layers {
      let matrix = layer.matrix
      let rowBytes = CodeMatrix.rowBytes(columns: matrix.columns, alphabet: matrix.alphabet)
      entries.append(
        SafetensorsEntry(
          "\(name).weight", dtype: .u8, shape: [matrix.rows, rowBytes], bytes: matrix.packedRows))
      var scales = Tensor(matrix.scales.values)
      if matrix.scales.blockColumns != nil {
        scales = scales.reshaped([matrix.rows, scales.count / max(1, matrix.rows)])
      }
      entries.append(SafetensorsEntry("\(name).weight_scale", scales))
      for (part, tensor) in [
        ("bias", layer.bias), ("norm.weight", layer.normWeight), ("norm.bias", layer.normBias),
      ] {
        if let tensor { entries.append(SafetensorsEntry("\(name).\(part)", tensor)) }
      }
      var members = layer.recipe.json
      members["in_features"] = .integer(Int64(layer.inFeatures))
      if let length = matrix.scales.blockColumns {
        members["block_features"] = .integer(Int64(length))
      }
      if let format = matrix.format, format != matrix.alphabet.defaultFormat {
        members["format"] = .string(format.rawValue)
      }
      description[name] = .object(members)
    }
    return (entries, JSONValue.object(description).encoded)
  }

  /// The names of the packed layers of a file, in the order in which they were written; empty if it
  /// has none.
  public static func names(in file: SafetensorsFile) throws(InputError) -> [String] {
    try description(of: file).map(\.key)
  }

  /// One packed layer of a file.
  ///
  /// - Throws: ``InputError`` that names the file and the layer if it is not there or its parts do
  ///   not fit one another.
  public static func decode(
    _ name: String, from file: SafetensorsFile
  ) throws(InputError) -> PackedBitLinear {
    let source = "\(file.source), layer \(name)"
    guard let members = try description(of: file)[name] else {
      throw InputError(
        .missing, source: file.source, found: "no packed layer \(name)",
        expected: "one in the metadata \(metadataKey)")
    }
    let recipe = try QuantizationRecipe(json: members, source: source)
    guard let columns = members["in_features"]?.integerValue, columns >= 1,
      columns <= Int32.max
    else {
      throw InputError(
        .malformed, source: source, found: "in_features \(members["in_features"] ?? .null)",
        expected: "a number of features")
    }
    guard let weight = file["\(name).weight"], weight.dtype == .u8, weight.shape.count == 2 else {
      throw InputError(
        .malformed, source: source, found: "no U8 matrix \(name).weight",
        expected: "packed codes")
    }
    // Rows of no bytes could be any number, without a byte in the file to show for them.
    let rowBytes = CodeMatrix.rowBytes(columns: Int(columns), alphabet: recipe.weights)
    guard weight.shape[1] == rowBytes else {
      throw InputError(
        .mismatch, source: source, found: "rows of \(weight.shape[1]) bytes",
        expected: "\(rowBytes) for \(columns) \(recipe.weights.rawValue) codes")
    }
    let bytes = try file.withUnsafeBytes(of: "\(name).weight") { (bytes) throws(InputError) in
      Array(bytes)
    }
    let scales = try scales(of: name, members, from: file, rows: weight.shape[0], source: source)
    let format = try format(members, alphabet: recipe.weights, source: source)
    func optional(_ part: String) throws(InputError) -> Tensor? {
      file["\(name).\(part)"] == nil ? nil : try file.tensor("\(name).\(part)")
    }
    let matrix = try CodeMatrix(
      packedRows: bytes, rows: weight.shape[0], columns: Int(columns), alphabet: recipe.weights,
      scales: scales, format: format, source: source)
    let (bias, normWeight, normBias) = (
      try optional("bias"), try optional("norm.weight"), try optional("norm.bias")
    )
    do {
      return try PackedBitLinear(
        matrix: matrix, bias: bias, recipe: recipe, normWeight: normWeight,
        normBias: normBias)
    } catch {
      throw InputError(
        error.kind, source: "\(source), \(error.source)", found: error.found,
        expected: error.expected)
    }
  }

  private static func scales(
    of name: String, _ members: JSONValue, from file: SafetensorsFile, rows: Int, source: String
  ) throws(InputError) -> WeightScales {
    let tensor = try file.tensor("\(name).weight_scale")
    let length = try blockLength(members, source: source)
    guard tensor.shape.rank == (length == nil ? 1 : 2),
      length == nil || tensor.shape[0] == rows,
      tensor.scalars.allSatisfy({ $0.isFinite && (length != nil || $0 >= 0) })
    else {
      throw InputError(
        .malformed, source: source, found: "scales \(tensor)",
        expected: length == nil
          ? "a vector of finite numbers, none negative" : "[\(rows), blocks] of finite numbers")
    }
    guard let length else { return .groups(tensor.scalars) }
    return .blocks(columns: length, tensor.scalars)
  }

  private static func blockLength(
    _ members: JSONValue, source: String
  ) throws(InputError) -> Int? {
    guard let member = members["block_features"] else { return nil }
    guard let length = member.integerValue.flatMap({ Int(exactly: $0) }),
      WeightScales.blockLengths.contains(length)
    else {
      throw InputError(
        .malformed, source: source, found: "block_features \(member)",
        expected: "64, 128 or 256")
    }
    return length
  }

  private static func format(
    _ members: JSONValue, alphabet: WeightAlphabet, source: String
  ) throws(InputError) -> PackedFormat? {
    guard let member = members["format"] else { return nil }
    guard let format = member.stringValue.flatMap(PackedFormat.init(rawValue:)),
      format.alphabet == alphabet
    else {
      throw InputError(
        .malformed, source: source, found: "format \(member)",
        expected: PackedFormat.allCases.filter { $0.alphabet == alphabet }.map(\.rawValue)
          .joined(separator: " or "))
    }
    return format
  }

  private static func description(of file: SafetensorsFile) throws(InputError) -> JSONObject {
    try layers(in: file.metadata, source: file.source)
  }

  /// What metadata says about packed layers, by their names; empty if it says nothing.
  package static func layers(
    in metadata: [String: String], source: String
  ) throws(InputError) -> JSONObject {
    guard let text = metadata[metadataKey] else { return [:] }
    let source = "\(source), metadata \(metadataKey)"
    let value = try JSONValue(parsing: text, source: source)
    guard let object = value.objectValue else {
      throw InputError(
        .malformed, source: source, found: value.kindName, expected: "a JSON object")
    }
    return object
  }
}

extension QuantizationRecipe {
  /// The recipe and a number of groups in words that tell any two apart, the same from release to
  /// release.
  package func description(groups: Int) -> String {
    let parts = json.map { "\($0.key) \($0.value.stringValue ?? $0.value.encoded)" }
    return "(\(parts.joined(separator: ", ")), groups \(groups))"
  }

  /// The recipe as JSON members.
  package var json: JSONObject {
    var members: JSONObject = [
      "weights": .string(weights.rawValue),
      "activation_bits": .integer(Int64(activations.bits)),
      "activation_scale": .string(activations.granularity.rawValue),
      "activation_range": .string(activations.range.rawValue),
      "activation_epsilon": .number(Double(activations.epsilon)),
    ]
    if let normalization {
      members["norm"] = .string(
        !normalization.isCentered ? "rms" : normalization.groups == 1 ? "layer" : "group")
      members["norm_groups"] = .integer(Int64(normalization.groups))
      members["norm_epsilon"] = .number(Double(normalization.epsilon))
    }
    return members
  }

  /// Reads what ``json`` wrote.
  package init(json: JSONValue, source: String) throws(InputError) {
    func value<T>(_ key: String, _ expected: String, _ read: (JSONValue) -> T?)
      throws(InputError) -> T
    {
      guard let value = json[key].flatMap(read) else {
        throw InputError(
          .malformed, source: source, found: "\(key) \(json[key] ?? .null)", expected: expected)
      }
      return value
    }
    func positive(_ value: JSONValue) -> Float? {
      value.doubleValue.flatMap { $0 >= 0 && Float($0).isFinite ? Float($0) : nil }
    }
    let activations = ActivationQuantizer(
      bits: try value("activation_bits", "2...16") {
        $0.integerValue.flatMap { (2...16).contains($0) ? Int($0) : nil }
      },
      granularity: try value("activation_scale", "tensor or token") {
        $0.stringValue.flatMap(ActivationQuantizer.Granularity.init(rawValue:))
      },
      range: try value("activation_range", "symmetric or full") {
        $0.stringValue.flatMap(ActivationQuantizer.CodeRange.init(rawValue:))
      },
      epsilon: try value("activation_epsilon", "a number", positive))
    var normalization: Normalization?
    if json["norm"] != nil {
      let epsilon = try value("norm_epsilon", "a number", positive)
      let groups = try value("norm_groups", "a positive number") {
        $0.integerValue.flatMap { (1...1 << 20).contains($0) ? Int($0) : nil }
      }
      normalization = try value("norm", "rms, layer or group") {
        switch $0.stringValue {
        case "rms": .rms(epsilon: epsilon)
        case "layer": .layer(epsilon: epsilon)
        case "group": .group(groups, epsilon: epsilon)
        default: nil
        }
      }
    }
    self.init(
      weights: try value("weights", "sign or ternary") {
        $0.stringValue.flatMap(WeightAlphabet.init(rawValue:))
      }, activations: activations, normalization: normalization)
  }
}
