import BitTraining
import BitCore
import BitFiles

/// What one tensor holds, as text or JSON.
struct TensorReport {
  private enum Content {
    case codes(CodedLayer, CodeStatistics, storedScales: ValueStatistics)
    case numbers(ValueStatistics, Histogram?)
  }

  private let source: String
  private let tensor: InspectedTensor
  private let content: Content

  /// Goes through a tensor, twice for a histogram, with a part of it in memory at a time.
  ///
  /// - Throws: ``InputError`` if there is no such tensor, or what it holds cannot be read.
  init(_ name: String, of model: InspectedModel) throws(InputError) {
    source = model.source
    let (tensor, found) = try model.tensor(named: name)
    self.tensor = tensor
    switch found {
    case .codes(let layer):
      let statistics = try layer.statistics()
      var stored = statistics.factors
      if let scales = layer.storedScales {
        stored = ValueStatistics()
        for scale in scales { stored.add(Double(scale), times: 1) }
      }
      content = .codes(layer, statistics, storedScales: stored)
    case .numbers(let stream):
      var statistics = ValueStatistics()
      try stream.forEach { statistics.add($0) }
      var histogram: Histogram?
      if let minimum = statistics.minimum, let maximum = statistics.maximum {
        var counts = Histogram(minimum: minimum, maximum: maximum)
        try stream.forEach { counts.add($0) }
        histogram = counts
      }
      content = .numbers(statistics, histogram)
    }
  }

  /// A table and bars for a person.
  ///
  /// - Parameters:
  ///   - width: the columns of characters that a bar with its label may take.
  ///   - mark: what bars are made of.
  func text(width: Int, mark: Character) -> String {
    var rows = [
      ["Type", tensor.type], ["Shape", "\(tensor.shape)"],
      ["Bytes", NumberText.grouped(tensor.bytes)],
      ["Bits per value", InspectText.bits(tensor.bits)],
    ]
    var bars: [BarChart.Bar] = []
    var remarks: [String] = []
    switch content {
    case .codes(let layer, let statistics, let scales):
      rows += Self.rows(layer, scales)
      if layer.scaleUse == .unknown {
        remarks.append("No config.json tells whether the scale multiplies or divides.")
      } else {
        rows += Self.rows(statistics.values)
      }
      rows.append(["Zeros", Self.share(statistics.codes.zeros, of: statistics.codes.total)])
      bars = Self.bars(statistics.codes)
      if statistics.values.isAllZero { remarks.append("All values are zero.") }
    case .numbers(let statistics, let histogram):
      rows += Self.rows(statistics)
      rows.append(["Zeros", Self.share(statistics.zeros, of: statistics.count)])
      rows.append(["NaN", NumberText.grouped(statistics.nans)])
      rows.append(["Infinities", NumberText.grouped(statistics.infinities)])
      bars = histogram?.bars ?? []
      if statistics.isTernary {
        remarks.append("All values are -1, 0 or +1.")
        bars = Self.bars(statistics.codes(tensor.name))
      } else if statistics.isAllZero {
        remarks.append("All values are zero.")
        bars = []
      } else if statistics.count == 0 {
        remarks.append("The tensor is empty.")
      }
    }
    var text = TextTable(header: ["Tensor", tensor.name], rows: rows).description
    if !bars.isEmpty {
      text += "\n" + BarChart(bars: bars, width: width, mark: mark).text
    }
    if !remarks.isEmpty { text += "\n" + remarks.map { "\($0)\n" }.joined() }
    return text
  }

  /// One object for programs.
  var json: JSONValue {
    var members: JSONObject = ["file": .string(source), "tensor": .object(tensor.json)]
    switch content {
    case .codes(let layer, let statistics, let scales):
      members["codes"] = Self.json(statistics.codes, alphabet: layer.coded.alphabet.rawValue)
      members["scales"] = [
        "kind": .string(layer.scaleKind), "count": .integer(Int64(layer.scaleCount)),
        "use": .string((layer.scaleUse ?? .multiplies).rawValue),
        "minimum": Self.number(scales.minimum), "maximum": Self.number(scales.maximum),
      ]
      members["values"] = layer.scaleUse == .unknown ? .null : statistics.values.json
    case .numbers(let statistics, let histogram):
      members["values"] = statistics.json
      if statistics.isTernary {
        members["codes"] = Self.json(statistics.codes(tensor.name), alphabet: "ternary")
      }
      members["histogram"] =
        histogram.map {
          [
            "minimum": .number($0.minimum), "maximum": .number($0.maximum),
            "counts": .array($0.counts.map { .integer(Int64($0)) }),
          ]
        } ?? .null
    }
    return .object(members)
  }

  private static func rows(_ layer: CodedLayer, _ scales: ValueStatistics) -> [[String]] {
    [
      ["Codes", layer.coded.alphabet.rawValue],
      ["Out x in", "\(layer.coded.rows) x \(layer.coded.columns)"],
      [
        "Scales",
        layer.scaleCount == 1
          ? "1 for the \(layer.scaleKind)"
          : "\(NumberText.grouped(layer.scaleCount)), one per \(layer.scaleKind)",
      ],
      ["Scale use", (layer.scaleUse ?? .multiplies).rawValue],
      ["Minimum scale", InspectText.number(scales.minimum)],
      ["Maximum scale", InspectText.number(scales.maximum)],
    ]
  }

  private static func rows(_ values: ValueStatistics) -> [[String]] {
    [
      ["Values", NumberText.grouped(values.count)],
      ["Minimum", InspectText.number(values.minimum)],
      ["Maximum", InspectText.number(values.maximum)],
      ["Mean", InspectText.number(values.mean)],
      ["Mean magnitude", InspectText.number(values.meanMagnitude)],
    ]
  }

  private static func share(_ part: Int, of all: Int) -> String {
    let share = all > 0 ? Double(part) / Double(all) : 0
    return "\(NumberText.grouped(part)), \(NumberText.percent(share))"
  }

  private static func bars(_ codes: LayerCodes) -> [BarChart.Bar] {
    zip(zip(["-1", "0", "+1"], [codes.minusOnes, codes.zeros, codes.plusOnes]), codes.shares).map {
      BarChart.Bar(label: [$0.0, NumberText.percent($1)], count: $0.1)
    }
  }

  private static func json(_ codes: LayerCodes, alphabet: String) -> JSONValue {
    [
      "alphabet": .string(alphabet), "minus_ones": .integer(Int64(codes.minusOnes)),
      "zeros": .integer(Int64(codes.zeros)), "plus_ones": .integer(Int64(codes.plusOnes)),
      "shares": .array(codes.shares.map { .number($0) }),
    ]
  }

  fileprivate static func number(_ value: Double?) -> JSONValue {
    value.map { .number($0) } ?? .null
  }
}

extension ValueStatistics {
  /// The numbers -1, 0 and +1 as codes.
  fileprivate func codes(_ name: String) -> LayerCodes {
    LayerCodes(name: name, minusOnes: minusOnes, zeros: zeros, plusOnes: plusOnes)
  }

  /// The statistics for programs.
  fileprivate var json: JSONValue {
    [
      "count": .integer(Int64(count)), "minimum": TensorReport.number(minimum),
      "maximum": TensorReport.number(maximum), "mean": TensorReport.number(mean),
      "mean_magnitude": TensorReport.number(meanMagnitude), "zeros": .integer(Int64(zeros)),
      "nan": .integer(Int64(nans)), "infinities": .integer(Int64(infinities)),
      "all_zero": .bool(isAllZero),
    ]
  }
}
