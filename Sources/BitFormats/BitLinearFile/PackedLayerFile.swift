import BitCore
import BitFiles

/// How packed layers are stored in safetensors files of this project.
///
/// A layer named `layers.0` takes these tensors:
///
///     layers.0.weight        U8   [out, bytes of a row]   see CodeMatrix.packedRows
///     layers.0.weight_scale  F32  [groups]                multiplies; [out, blocks] where a scale
///                                                         applies to a block of weights in a row
///     layers.0.bias          F32  [out]                   if there is one
///     layers.0.norm.weight   F32  [in]                    if learned
///     layers.0.norm.bias     F32  [in]                    if learned
///
/// and a member of the JSON object in the metadata `bitlinear.layers`, which holds what the tensors
/// do not tell: the number of input features, the recipe, the weights in a block (if there are
/// blocks) and the format in memory (if not the default one).
///
/// ```swift
/// let file = try SafetensorsFile(path: "packed.safetensors")
/// let layer = try file.packedLayer("layers.0")
/// let output = layer(input)               // [..., in] -> [..., out]
/// ```
public enum PackedLayerFile {
  /// The key of the metadata that describes the packed layers.
  package static let metadataKey = "bitlinear.layers"

  /// The tensors that a layer may have, after its name and a dot.
  package static let parts = ["weight", "weight_scale", "bias", "norm.weight", "norm.bias"]

  /// Writes packed layers, and other tensors beside them, to a file, which is replaced as a whole or
  /// not at all.
  ///
  /// - Parameters:
  ///   - layers: the layers with the names that they have in the model, such as `layers.0`.
  ///   - tensors: other tensors.
  ///   - metadata: other strings for the file.
  ///   - path: the file.
  /// - Throws: `InputError` as ``SafetensorsWriter`` does.
  public static func write(
    _ layers: [(name: String, layer: PackedBitLinear)], tensors: [SafetensorsEntry] = [],
    metadata: [String: String] = [:], to path: String
  ) throws(InputError) {
    var entries = tensors
    var descriptions = JSONObject()
    for (name, layer) in layers {
      let matrix = layer.matrix
      let layout = matrix.scales.layout(rows: matrix.rows, columns: matrix.columns)
      entries += self.entries(
        name, alphabet: matrix.alphabet, layout: layout,
        codes: { (writer) throws(InputError) in try writer.write(matrix.packedRows) },
        scales: { (writer) throws(InputError) in
          try writer.write(Tensor(matrix.scales.values), as: .f32)
        })
      for (part, tensor) in [
        ("bias", layer.bias), ("norm.weight", layer.normWeight), ("norm.bias", layer.normBias),
      ] {
        if let tensor { entries.append(SafetensorsEntry("\(name).\(part)", tensor)) }
      }
      var members = description(layer.recipe.json, layout)
      if let format = matrix.format, format != matrix.alphabet.defaultFormat {
        members["format"] = .string(format.rawValue)
      }
      descriptions[name] = .object(members)
    }
    var metadata = metadata.merging(["format": "pt"]) { given, _ in given }
    if !layers.isEmpty { metadata[metadataKey] = JSONValue.object(descriptions).encoded }
    try SafetensorsWriter.write(entries, metadata: metadata, to: path)
  }

  /// The tensors of codes and scales of a layer.
  package static func entries(
    _ name: String, alphabet: WeightAlphabet, layout: ScaleLayout,
    codes: @escaping @Sendable (inout FileWriter) throws(InputError) -> Void,
    scales: @escaping @Sendable (inout FileWriter) throws(InputError) -> Void
  ) -> [SafetensorsEntry] {
    let rowBytes = CodeMatrix.rowBytes(columns: layout.columns, alphabet: alphabet)
    let scaleShape =
      if case .block = layout.kind { [layout.rows, layout.scalesPerRow] } else { [layout.count] }
    return [
      SafetensorsEntry(
        "\(name).weight", dtype: .u8, shape: [layout.rows, rowBytes], stream: codes),
      SafetensorsEntry("\(name).weight_scale", dtype: .f32, shape: scaleShape, stream: scales),
    ]
  }

  /// The tensors of codes and scales of a layer whose rows are streamed.
  package static func entries(_ name: String, _ tensor: CodedTensor) -> [SafetensorsEntry] {
    let packing = RowCodes(columns: tensor.columns, tensor.alphabet)
    return entries(
      name, alphabet: tensor.alphabet, layout: tensor.layout,
      codes: { (writer) throws(InputError) in
        try writer.write(tensor.rows, by: tensor.pieceRows) { (rows) throws(InputError) in
          packing.encode(try tensor.rows(rows).codes)
        }
      },
      scales: { (writer) throws(InputError) in
        // Whole groups of rows at a time, so that no scale is written twice.
        let step =
          tensor.layout.rowsPerScale * max(1, tensor.pieceRows / tensor.layout.rowsPerScale)
        let isOne = tensor.scaleKind == .tensor
        for first in stride(from: 0, to: max(1, isOne ? 1 : tensor.rows), by: step) {
          let end = min(tensor.rows, first + (isOne ? 1 : step))
          let scales = try tensor.scales(first..<end)
          try writer.write(Tensor(scales), as: .f32)
        }
      })
  }

  /// What the metadata says of a layer: the members of its recipe, and where its scales are.
  package static func description(_ recipe: JSONObject, _ layout: ScaleLayout) -> JSONObject {
    var members = recipe
    members["in_features"] = .integer(Int64(layout.columns))
    switch layout.kind {
    case .tensor, .row: break
    case .groups(let groups): members["groups"] = .integer(Int64(groups))
    case .block(let length): members["block_features"] = .integer(Int64(length))
    }
    return members
  }

  /// What metadata says about packed layers, by their names; empty if it says nothing.
  package static func descriptions(
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

extension SafetensorsFile {
  /// The names of the packed layers that this project wrote to the file, in the order of the file;
  /// empty if it has none.
  ///
  /// - Throws: `InputError` of kind `.malformed` for metadata that is not a JSON object.
  public func packedLayerNames() throws(InputError) -> [String] {
    try PackedLayerFile.descriptions(in: metadata, source: source).map(\.key)
  }

  /// A packed layer of the file, ready to run; see ``PackedLayerFile``.
  ///
  /// - Parameter name: the name in front of `.weight`.
  /// - Throws: `InputError` that names the file and the layer: `.missing` if it is not there,
  ///   `.malformed` or `.mismatch` for a description, codes, scales, bias or norm that are not sound
  ///   or do not fit one another.
  public func packedLayer(_ name: String) throws(InputError) -> PackedBitLinear {
    let descriptions = try PackedLayerFile.descriptions(in: metadata, source: source)
    guard let description = descriptions[name] else {
      throw InputError(
        .missing, source: source, found: "no packed layer \(name)",
        expected: "one in the metadata \(PackedLayerFile.metadataKey)")
    }
    return try StoredPackedLayer(name, description, in: self).packedLayer()
  }
}
