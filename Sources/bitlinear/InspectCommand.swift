import ArgumentParser
import BitNN

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "List the tensors of a model file.",
    discussion: "For packed layers it shows the share of each code and the range of the scales.")

  @Argument(help: "A safetensors file.")
  var path: String

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let file = try SafetensorsFile(path: path)
    let layers = try PackedLayerCoding.names(in: file).map {
      ($0, try PackedLayerCoding.decode($0, from: file))
    }
    if json {
      printJSON(file, layers)
    } else {
      printTables(file, layers)
    }
  }

  private func printTables(_ file: SafetensorsFile, _ layers: [(String, PackedBitLinear)]) {
    if !file.metadata.isEmpty {
      print(
        TextTable(
          header: ["Metadata", ""],
          rows: file.metadata.sorted { $0.key < $1.key }.map { [$0.key, shortened($0.value)] }))
    }
    let rows = file.tensors.map { tensor in
      [
        tensor.name, "\(tensor.dtype)", "\(tensor.shape)", "\(tensor.byteRange.count)",
        "\(tensor.dtype.bitsPerElement)",
      ]
    }
    print(TextTable(header: ["Tensor", "Type", "Shape", "Bytes", "Bits a value"], rows: rows))
    if !layers.isEmpty {
      print(
        TextTable(
          header: [
            "Packed layer", "Codes", "Out x in", "Bits a weight", "-1", "0", "+1", "Scales",
          ],
          rows: layers.map { name, layer in
            let codes = LayerCodes(name: name, codes: layer.matrix.codes)
            return [
              name, layer.matrix.alphabet.rawValue,
              "\(layer.outFeatures) x \(layer.inFeatures)",
              NumberText.fixed(bitsPerWeight(file, name, layer), decimals: 2),
            ] + codes.shares.map { NumberText.percent($0) } + [scaleRange(layer)]
          }))
    }
    let bytes = file.tensors.reduce(0) { $0 + $1.byteRange.count }
    print("\(file.tensors.count) tensors, \(NumberText.grouped(bytes)) bytes of data")
  }

  private func printJSON(_ file: SafetensorsFile, _ layers: [(String, PackedBitLinear)]) {
    let object: JSONValue = [
      "file": .string(file.source),
      "metadata": .object(
        JSONObject(file.metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
      "tensors": .array(
        file.tensors.map { tensor in
          [
            "name": .string(tensor.name), "dtype": .string("\(tensor.dtype)"),
            "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
            "bytes": .integer(Int64(tensor.byteRange.count)),
          ]
        }),
      "packed_layers": .array(
        layers.map { name, layer in
          let shares = LayerCodes(name: name, codes: layer.matrix.codes).shares
          return [
            "name": .string(name), "codes": .string(layer.matrix.alphabet.rawValue),
            "out_features": .integer(Int64(layer.outFeatures)),
            "in_features": .integer(Int64(layer.inFeatures)),
            "bits_per_weight": .number(bitsPerWeight(file, name, layer)),
            "code_shares": .array(shares.map { .number($0) }),
            "scales": .array(layer.matrix.scales.values.map { .number(Double($0)) }),
          ]
        }),
    ]
    print(object.encoded)
  }

  /// Bits in the file for each weight, scales included.
  private func bitsPerWeight(
    _ file: SafetensorsFile, _ name: String, _ layer: PackedBitLinear
  ) -> Double {
    let bytes = ["weight", "weight_scale"].compactMap { file["\(name).\($0)"]?.byteRange.count }
    let weights = layer.outFeatures * layer.inFeatures
    return weights > 0 ? Double(8 * bytes.reduce(0, +)) / Double(weights) : 0
  }

  private func scaleRange(_ layer: PackedBitLinear) -> String {
    let scales = layer.matrix.scales.values
    guard let least = scales.min(), let most = scales.max() else { return "" }
    return least == most ? "\(least)" : "\(least) to \(most)"
  }

  private func shortened(_ text: String) -> String {
    text.count > 70 ? "\(text.prefix(67))..." : text
  }
}

extension LayerCodes {
  /// The counts of the codes of one layer.
  init(name: String, codes: [Int8]) {
    var counts = [0, 0, 0]
    for code in codes { counts[Int(code) + 1] += 1 }
    self.init(name: name, minusOnes: counts[0], zeros: counts[1], plusOnes: counts[2])
  }
}
