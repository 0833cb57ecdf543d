import BitTraining

/// The share of the codes -1, 0 and +1 in each layer, as bars that are all as long as the chart.
struct CodeShareChart: Sendable {
  /// The layers, from top to bottom.
  var layers: [LayerCodes]
  /// The width in pixels at full size.
  var width = 464.0

  /// The height in pixels at full size.
  var height: Double { 34 + Double(layers.count) * 54 }

  /// The codes in the order of the bars.
  private static let codes = [("−1", "minus"), ("0", "zero"), ("+1", "plus")]

  /// The chart as an element of a page that has ``ReportStyle``. `id` is unique in the page.
  func svg(id: String) -> String {
    var parts = [Self.legend]
    for (index, layer) in layers.enumerated() {
      parts.append(bar(layer, y: 40 + Double(index) * 54))
    }
    return SVG.picture(
      id: id, title: "Share of the weight codes in each layer", description: description,
      width: width, height: height, content: parts.joined())
  }

  /// The shares as a sentence per layer.
  var description: String {
    layers.map { layer in
      let shares = zip(Self.codes, layer.shares).map { "\($0.0): \(NumberText.percent($1))" }
      return "\(layer.name): \(shares.joined(separator: ", "))."
    }.joined(separator: " ")
  }

  /// The colours of the codes, 18 pixels high.
  static var legend: String {
    codes.enumerated().map { index, code in
      let x = Double(index) * 62
      return SVG.rectangle(x: x, y: 4, width: 14, height: 14, style: "code \(code.1)")
        + SVG.text(code.0, x: x + 20, y: 15.5, style: "legend")
    }.joined()
  }

  private func bar(_ layer: LayerCodes, y: Double) -> String {
    var parts = [
      SVG.text(SVG.cut(layer.name, to: Int(width / 12.8)), x: 0, y: y + 6, style: "name"),
      SVG.text(
        "\(NumberText.grouped(layer.total)) weights", x: width, y: y + 6, style: "tick",
        anchor: "end"),
    ]
    var x = 0.0
    for ((code, style), share) in zip(Self.codes, layer.shares) where share > 0 {
      let length = share * width
      // A gap of one pixel, for readers who cannot tell the colours apart.
      parts.append(
        SVG.rectangle(
          x: x, y: y + 14, width: max(length - 1, 0.5), height: 24, style: "code \(style)",
          tooltip: "\(code): \(NumberText.percent(share, decimals: 2))"))
      if length > 46 {
        parts.append(
          SVG.text(
            NumberText.percent(share), x: x + length / 2, y: y + 30.5, style: "on-\(style)",
            anchor: "middle"))
      }
      x += length
    }
    if layer.total == 0 {
      parts.append(SVG.text("no weights", x: 0, y: y + 30.5, style: "tick"))
    }
    return parts.joined()
  }
}
