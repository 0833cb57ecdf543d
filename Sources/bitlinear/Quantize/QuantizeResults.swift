import BitConversion
import BitFiles
import BitFormats
import BitTraining

/// What `quantize` prints at the end.
struct QuantizeResults {
  let input: String
  let output: String
  let type: ConversionType
  let source: ModelFile
  let quantized: QuantizedModel
  let conversion: Conversion
  let written: Conversion.Result

  private var layers: [QuantizedLayer] { quantized.layers }

  /// A layer with what is stored of it.
  private struct Row {
    let layer: QuantizedLayer
    let bytesAfter: Int
    let quality: QuantizedLayer.Quality
  }

  private var rows: [Row] {
    layers.map { layer in
      Row(
        layer: layer, bytesAfter: written.byteCounts[conversion.name(of: layer.name)] ?? 0,
        quality: layer.quality { type.stored(scale: $0) })
    }
  }

  var table: TextTable {
    TextTable(
      header: ["Layer", "Shape", "Before", "After", "Relative error", "Cosine", "Zeros"],
      rows: rows.map { row in
        [
          row.layer.name, row.layer.shape.map(String.init).joined(separator: " x "),
          NumberText.grouped(row.layer.bytesBefore), NumberText.grouped(row.bytesAfter),
          row.layer.isZero ? "all zero" : NumberText.fixed(row.quality.relativeError, decimals: 4),
          row.quality.cosine.map { NumberText.fixed($0, decimals: 4) } ?? "-",
          NumberText.percent(row.quality.zeroShare, decimals: 1),
        ]
      })
  }

  var summary: String {
    "\(input): \(NumberText.grouped(source.byteCount)) bytes of tensors; \(output): "
      + "\(NumberText.grouped(written.byteCount)), \(layers.count) layer\(layers.count == 1 ? "" : "s") as \(type.rawValue)."
  }

  /// The matrices that were left as they are, and why.
  var keptTable: TextTable {
    TextTable(
      header: ["Not quantized", "Shape", "Reason"],
      rows: quantized.kept.map {
        [$0.name, $0.shape.map(String.init).joined(separator: " x "), $0.reason]
      })
  }

  var text: String {
    let norm = quantized.normalization.map { "Each layer normalizes its input (\($0)).\n" } ?? ""
    return "\(table)" + (quantized.kept.isEmpty ? "" : "\n\(keptTable)") + "\n\(summary)\n" + norm
  }

  var json: JSONValue {
    [
      "input": .string(input), "norm": quantized.normalization.map { .string($0) } ?? .null,
      "not_quantized": .array(
        quantized.kept.map { ["name": .string($0.name), "reason": .string($0.reason)] }),
      "output": .string(output), "outtype": .string(type.rawValue),
      "bytes_before": .integer(Int64(source.byteCount)),
      "bytes_after": .integer(Int64(written.byteCount)),
      "layers": .array(
        rows.map { row in
          [
            "name": .string(row.layer.name),
            "shape": .array(row.layer.shape.map { .integer(Int64($0)) }),
            "bytes_before": .integer(Int64(row.layer.bytesBefore)),
            "bytes_after": .integer(Int64(row.bytesAfter)),
            "relative_error": .number(row.quality.relativeError),
            "cosine": row.quality.cosine.map { JSONValue.number($0) } ?? .null,
            "zero_share": .number(row.quality.zeroShare), "all_zero": .bool(row.layer.isZero),
          ]
        }),
    ]
  }

  /// The page of `--report`.
  var report: String {
    var content = ReportContent(title: "Quantized model", summary: summary)
    content.facts = [
      Fact(name: "input", value: input, isCode: true),
      Fact(name: "output", value: output, isCode: true),
    ]
    content.highlights = [
      Fact(name: "layers", value: "\(layers.count)", note: "as \(type.rawValue)"),
      Fact(name: "bytes before", value: NumberText.grouped(source.byteCount)),
      Fact(name: "bytes after", value: NumberText.grouped(written.byteCount)),
    ]
    content.results = table
    content.layers = layers.map { layer in
      let counts = layer.codeCounts
      return LayerCodes(
        name: layer.name, minusOnes: counts.minus, zeros: counts.zero, plusOnes: counts.plus)
    }
    return HTMLReport(content: content, command: "bitlinear quantize").html()
  }
}
