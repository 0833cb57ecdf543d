import BitTraining
import BitCore
import BitFiles

/// The list of a model's tensors and packed layers, as text or JSON.
struct ModelListing {
  /// Files up to this size are read whole, for the shares of the codes, without being asked.
  static let smallBytes = 64 << 20
  /// More scales of a layer are not listed one by one.
  private static let listedScales = 1 << 16

  /// A layer with what is known of its codes.
  private struct Row {
    let layer: CodedLayer
    /// Nil if they were not read or are not sound.
    var shares: [Double]?
    /// The scales as stored, or the least and the greatest where they are among the codes.
    var scales: [Float]?
  }

  private let model: InspectedModel
  private let rows: [Row]
  private let languageModel: InspectedLanguageModel?
  private let problems: [String]
  private let areCodesRead: Bool

  /// The listing of a model; reads the codes of its layers if it is small or `readsCodes`.
  ///
  /// What is wrong with the codes of a layer is listed, and does not keep the others from it.
  init(_ model: InspectedModel, readsCodes: Bool) {
    self.model = model
    areCodesRead = readsCodes || model.bytes <= Self.smallBytes
    var problems = model.problems
    var rows: [Row] = []
    for layer in model.layers {
      var row = Row(layer: layer)
      if areCodesRead {
        do {
          row.scales = layer.storedScales
          let statistics = try layer.statistics()
          row.shares = statistics.codes.shares
          if let least = statistics.factors.minimum, let most = statistics.factors.maximum {
            row.scales = row.scales ?? [Float(least), Float(most)]
          }
        } catch {
          problems.append(error.description)
        }
      }
      rows.append(row)
    }
    do {
      languageModel = try model.languageModel()
    } catch {
      languageModel = nil
      problems.append(error.description)
    }
    (self.rows, self.problems) = (rows, problems)
  }

  /// Tables for a person.
  var text: String {
    var parts: [String] = []
    let head = model.facts.map { [$0.name, $0.value] }
    let metadata = model.metadata.map { [$0.key, InspectText.shortened($0.text)] }
    if let languageModel {
      parts.append(TextTable(header: ["Language model", ""], rows: languageModel.rows).description)
    }
    if !metadata.isEmpty {
      parts.append(TextTable(header: ["Metadata", ""], rows: metadata).description)
    }
    if !head.isEmpty {
      parts.append(TextTable(header: ["Property", ""], rows: head).description)
    }
    parts.append(
      TextTable(
        header: ["Tensor", "Type", "Shape", "Bytes", "Bits per value"],
        rows: model.tensors.map {
          [$0.name, $0.type, "\($0.shape)", "\($0.bytes)", InspectText.bits($0.bits)]
        }
      ).description)
    if !rows.isEmpty { parts.append(layerTable.description) }
    var end = "\(model.tensors.count) tensors, \(NumberText.grouped(model.bytes)) bytes of data\n"
    if !rows.isEmpty, !areCodesRead {
      end += "The codes of a large file are read with --codes.\n"
    }
    // A line each, whatever names are in them.
    end += problems.map { "Problem: \($0)\n" }.joined()
    return (parts + [end]).joined(separator: "\n")
  }

  private var layerTable: TextTable {
    let isUseShown = rows.contains { $0.layer.scaleUse != nil }
    return TextTable(
      header: [
        "Packed layer", "Codes", "Out x in", "Bits per weight", "-1", "0", "+1", "Scale range",
      ] + (isUseShown ? ["Scale use"] : []),
      rows: rows.map { row in
        let layer = row.layer
        return [
          layer.name, layer.coded.alphabet.rawValue,
          "\(layer.coded.rows) x \(layer.coded.columns)",
          NumberText.fixed(layer.bitsPerWeight, decimals: 2),
        ] + (row.shares?.map { NumberText.percent($0) } ?? ["-", "-", "-"])
          + [row.scales.map(InspectText.range) ?? "-"]
          + (isUseShown ? [(layer.scaleUse ?? .multiplies).rawValue] : [])
      })
  }

  /// One object for programs.
  var json: JSONValue {
    var members: JSONObject = [
      "file": .string(model.source), "format": .string(model.kind),
      "metadata": .object(JSONObject(model.metadata.map { ($0.key, $0.json) })),
    ]
    for fact in model.facts { members[fact.name] = .string(fact.value) }
    if let languageModel { members["language_model"] = languageModel.json }
    members["tensors"] = .array(model.tensors.map { .object($0.json) })
    members["packed_layers"] = .array(rows.map { .object(Self.json($0)) })
    members["bytes"] = .integer(Int64(model.bytes))
    members["problems"] = .array(problems.map { .string($0) })
    return .object(members)
  }

  private static func json(_ row: Row) -> JSONObject {
    let layer = row.layer
    var members: JSONObject = [
      "name": .string(layer.name), "codes": .string(layer.coded.alphabet.rawValue),
      "out_features": .integer(Int64(layer.coded.rows)),
      "in_features": .integer(Int64(layer.coded.columns)),
      "bits_per_weight": .number(layer.bitsPerWeight),
      "code_shares": row.shares.map { .array($0.map { .number($0) }) } ?? .null,
      "scale_kind": .string(layer.scaleKind), "scale_count": .integer(Int64(layer.scaleCount)),
      "scale_use": .string((layer.scaleUse ?? .multiplies).rawValue),
      "scale_minimum": (row.scales?.min()).map { .number(Double($0)) } ?? .null,
      "scale_maximum": (row.scales?.max()).map { .number(Double($0)) } ?? .null,
    ]
    if layer.storedScales != nil, layer.scaleCount <= listedScales {
      members["scales"] = row.scales.map { .array($0.map { .number(Double($0)) }) } ?? .null
    }
    return members
  }
}

extension InspectedTensor {
  /// The tensor for programs.
  var json: JSONObject {
    var members: JSONObject = [
      "name": .string(name), "dtype": .string(type),
      "shape": .array(shape.map { .integer(Int64($0)) }), "bytes": .integer(Int64(bytes)),
      "bits_per_value": bits.map { .number($0) } ?? .null,
    ]
    if let file { members["file"] = .string(file) }
    return members
  }
}
