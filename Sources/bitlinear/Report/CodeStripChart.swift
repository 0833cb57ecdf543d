import BitTraining

/// The share of the codes -1, 0 and +1 in each of many layers of one kind, as a row of upright bars.
struct CodeStripChart: Sendable {
  /// What is drawn, from left to right.
  var kind: LayerKind
  /// The width in pixels at full size.
  var width = 414.0
  /// The height in pixels at full size.
  var height = 96.0

  /// The codes from the bottom of a bar to its top.
  private static let codes = [("−1", "minus"), ("0", "zero"), ("+1", "plus")]
  private static let bars = (top: 18.0, bottom: 78.0)

  /// The chart as an element of a page that has ``ReportStyle``. `id` is unique in the page.
  func svg(id: String) -> String {
    let (count, zeros) = summary
    var parts = [
      SVG.text(
        SVG.cut(kind.name, to: Int((width - 8) / 6.8) - count.count - zeros.count - 2), x: 0, y: 11,
        style: "name"),
      SVG.text(
        zeros.isEmpty ? count : "\(count), \(zeros)", x: width, y: 11, style: "tick", anchor: "end"),
    ]
    let step = width / Double(max(1, kind.layers.count))
    for (index, layer) in kind.layers.enumerated() {
      parts.append(bar(layer, x: Double(index) * step, width: max(step - (step > 4 ? 1 : 0), 0.2)))
    }
    // As many numbers as there is space for.
    let stride = max(1, Int((28 / step).rounded(.up)))
    for (index, number) in kind.numbers.enumerated()
    where index.isMultiple(of: stride) && !number.isEmpty {
      parts.append(
        SVG.text(
          String(number), x: (Double(index) + 0.5) * step, y: Self.bars.bottom + 14, style: "tick",
          anchor: "middle"))
    }
    return SVG.picture(
      id: id, title: "Share of the weight codes in \(kind.name)", description: description,
      width: width, height: height, content: parts.joined())
  }

  /// The shares of all layers together and the range of the zeros, as sentences.
  var description: String {
    let (count, zeros) = summary
    let shares = zip(Self.codes, kind.total.shares).map { "\($0.0): \(NumberText.percent($1))" }
    return "\(count): \(shares.joined(separator: ", "))."
      + (zeros.isEmpty ? "" : " Each: \(zeros).")
  }

  /// The number of layers, and how many zeros they have if they have any.
  private var summary: (count: String, zeros: String) {
    let shares = kind.layers.filter { $0.total > 0 }.map { $0.shares[1] }
    let count = "\(kind.layers.count) layer\(kind.layers.count == 1 ? "" : "s")"
    guard let least = shares.min(), let most = shares.max(), most > 0 else { return (count, "") }
    let range = [least, most].map { NumberText.fixed($0 * 100, decimals: 0) }
    return (count, (range[0] == range[1] ? range[0] : "\(range[0])–\(range[1])") + "% zeros")
  }

  private func bar(_ layer: LayerCodes, x: Double, width: Double) -> String {
    let shares = zip(Self.codes, layer.shares).filter { $1 > 0 }
    guard !shares.isEmpty else { return "" }
    var y = Self.bars.bottom
    var parts = [SVG.element("title", [:], SVG.escape(tooltip(layer)))]
    for ((_, style), share) in shares {
      let height = share * (Self.bars.bottom - Self.bars.top)
      y -= height
      // A gap, for readers who cannot tell the colours apart.
      parts.append(
        SVG.rectangle(
          x: x, y: y, width: width, height: max(height - 1, 0.5), style: "code \(style)"))
    }
    return SVG.element("g", [:], parts.joined())
  }

  private func tooltip(_ layer: LayerCodes) -> String {
    let shares = zip(Self.codes, layer.shares).map { "\($0.0): \(NumberText.percent($1))" }
    return "\(layer.name): \(shares.joined(separator: ", "))"
  }
}
