import BitTraining

extension HTMLReport {
  /// More layers than this are shown by their kinds.
  private static let singleLayers = 12

  /// The weight codes of the layers.
  var layers: String? {
    guard !content.layers.isEmpty else { return nil }
    let isByKind = content.layers.count > Self.singleLayers
    return section(
      "Weight codes",
      "The codes of each packed layer and their entropy, which is at most log₂ 3 = 1.585 bits per "
        + "weight, if all three codes are equally frequent."
        + (isByKind
          ? " Each bar is a layer: the number below it takes the place of the * in the name." : ""),
      isByKind ? layersByKind : eachLayer)
  }

  private var eachLayer: String {
    let table = table(of: content.layers)
    // About as many letters fit beside the chart; a table with longer rows goes below it.
    let isPair = table.rows.allSatisfy { $0.joined().count <= 40 }
    var chart = CodeShareChart(layers: content.layers)
    if !isPair { chart.width = 884 }
    let picture = "<div class=\"wide\">\(chart.svg(id: "codes"))</div>"
    return "<div class=\"\(isPair ? "pair" : "stack")\">"
      + "<figure class=\"card\(isPair ? "" : " scroll")\">\(picture)</figure>"
      + "<div class=\"card scroll\">\(html(table))</div></div>"
  }

  /// A bar for each layer would make a page that nobody looks at: charts of many layers each, a
  /// table of the kinds, and one of all layers for those who look for it.
  private var layersByKind: String {
    let kinds = LayerKind.kinds(of: content.layers)
    let charts = kinds.enumerated().map { index, kind in
      CodeStripChart(kind: kind).svg(id: "codes-\(index)")
    }
    let legend = SVG.picture(
      id: "codes-legend", title: "Colours of the weight codes", description: "−1, 0 and +1.",
      width: 180, height: 22, content: CodeShareChart.legend)
    return "<div class=\"stack\"><figure class=\"card\"><div class=\"key\">\(legend)</div>"
      + "<div class=\"pair strips\">\(charts.joined(separator: "\n"))</div></figure>"
      + "<div class=\"card scroll\">\(html(table(of: kinds.map(\.total))))</div>"
      + "<details class=\"card scroll\"><summary>All \(content.layers.count) layers</summary>"
      + "\(html(table(of: content.layers)))</details></div>"
  }

  private func table(of layers: [LayerCodes]) -> TextTable {
    TextTable(
      header: ["Layer", "−1", "0", "+1", "Bits"],
      rows: layers.map { layer in
        [layer.name] + [layer.minusOnes, layer.zeros, layer.plusOnes].map(NumberText.grouped)
          + [NumberText.fixed(Self.entropy(layer.shares), decimals: 3)]
      })
  }

  /// The entropy of the codes, in bits per weight.
  private static func entropy(_ shares: [Double]) -> Double {
    shares.reduce(0) { $1 > 0 ? $0 - $1 * log2($1) : $0 }
  }
}
