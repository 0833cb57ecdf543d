import BitTraining

/// Curves over epochs or steps, with axes, a legend and the last value of each curve.
struct LineChart: Sendable {
  /// What the chart shows: "Loss".
  var title: String
  /// The curves; those without a finite point are left out.
  var curves: [Curve]
  /// The name of the horizontal axis.
  var xLabel = "epoch"
  /// How the values are written.
  var format = ValueFormat.number
  /// Whether the vertical axis is logarithmic. Values of 0 and below are then left out.
  var isLogarithmic = false
  /// The width in pixels at full size.
  var width = 464.0
  /// The height in pixels at full size.
  var height = 320.0

  /// A chart of losses. It is logarithmic if the largest value is more than eight times the
  /// smallest; otherwise all but the first steps would look flat.
  static func loss(_ curves: [Curve]) -> LineChart {
    let values = curves.flatMap(\.points).map(\.y).filter { $0 > 0 && $0 < 1e100 }
    let isLogarithmic = (values.max() ?? 1) > 8 * (values.min() ?? 1)
    return LineChart(
      title: isLogarithmic ? "Loss (logarithmic)" : "Loss", curves: curves,
      isLogarithmic: isLogarithmic)
  }

  /// A chart of accuracies, which are fractions.
  static func accuracy(_ curves: [Curve]) -> LineChart {
    LineChart(title: "Accuracy", curves: curves, format: .percent)
  }

  /// The chart as an element of a page that has ``ReportStyle``. `id` is unique in the page.
  func svg(id: String) -> String {
    SVG.picture(
      id: id, title: title, description: description, width: width, height: height,
      content: content(top: 0, inset: 0))
  }

  /// The chart as a file of 760 by 400 pixels, with its styles, its heading and an opaque light
  /// background.
  func standaloneSVG() -> String {
    var chart = self
    (chart.width, chart.height) = (760, 400)
    return chart.framedSVG
  }

  private var framedSVG: String {
    let frame =
      "<rect class=\"ground\" x=\".5\" y=\".5\" rx=\"8\" width=\"\(SVG.number(width - 1))\""
      + " height=\"\(SVG.number(height - 1))\"/>"
    let heading = SVG.text(title, x: 20, y: 32, style: "heading")
    let style = SVG.element("style", [:], ReportStyle.standaloneChart)
    return SVG.picture(
      id: "chart", title: title, description: description, width: width, height: height,
      isStandalone: true, content: style + frame + heading + content(top: 38, inset: 20)) + "\n"
  }

  /// A sentence per curve, for readers who cannot see them.
  var description: String {
    let sentences = drawnCurves.map { curve in
      guard let first = curve.finite.first, let last = curve.finite.last else { return "" }
      return curve.finite.count == 1
        ? "\(curve.name): \(format.text(last.y))."
        : "\(curve.name): from \(format.text(first.y)) at \(xLabel) \(SVG.number(first.x))"
          + " to \(format.text(last.y)) at \(xLabel) \(SVG.number(last.x))."
    }
    return sentences.isEmpty ? "No data." : sentences.joined(separator: " ")
  }

  // MARK: - Data

  /// A curve with at most 300 points; nil is a gap.
  private struct DrawnCurve {
    var name: String
    var points: [Curve.Point?]
    var isBaseline: Bool
    var style: String
    var finite: [Curve.Point] { points.compactMap(\.self) }
    var isLevel: Bool { isBaseline && finite.count == 1 }
  }

  private var drawnCurves: [DrawnCurve] {
    var (measured, baselines) = (0, 0)
    return curves.compactMap { curve in
      let (points, group) = Self.thinned(curve.points)
      let drawn = points.map { isDrawn($0) ? $0 : nil }
      guard drawn.contains(where: { $0 != nil }) else { return nil }
      let style: String
      if curve.isBaseline {
        style = "b\(baselines % 3)"
        baselines += 1
      } else {
        style = "s\(measured % 4)"
        measured += 1
      }
      return DrawnCurve(
        name: group > 1 ? "\(curve.name) (means of \(group))" : curve.name, points: drawn,
        isBaseline: curve.isBaseline, style: style)
    }
  }

  /// Whether a point can be drawn; differences of larger values would overflow.
  private func isDrawn(_ point: Curve.Point) -> Bool {
    abs(point.x) < 1e100 && abs(point.y) < 1e100 && (!isLogarithmic || point.y > 1e-100)
  }

  /// At most 300 points, as many as a chart can show: means of equal runs of points if there are
  /// more.
  private static func thinned(_ points: [Curve.Point]) -> ([Curve.Point], group: Int) {
    let group = (points.count + 299) / 300
    guard group > 1 else { return (points, 1) }
    let means = stride(from: 0, to: points.count, by: group).map { start in
      let part = points[start..<min(start + group, points.count)]
      let sum = part.reduce((x: 0.0, y: 0.0)) { ($0.x + $1.x, $0.y + $1.y) }
      return Curve.Point(x: sum.x / Double(part.count), y: sum.y / Double(part.count))
    }
    return (means, group)
  }

  // MARK: - Drawing

  private func content(top: Double, inset: Double) -> String {
    let curves = drawnCurves
    let points = curves.flatMap(\.finite)
    // Gaps count, so that all charts of a run are as long as the run.
    let xs = self.curves.filter { !$0.isBaseline || $0.points.count > 1 }.flatMap(\.points)
      .map(\.x).filter { abs($0) < 1e100 }
    guard let yMinimum = points.map(\.y).min(), let yMaximum = points.map(\.y).max() else {
      return SVG.text("No data", x: width / 2, y: height / 2, style: "label", anchor: "middle")
    }
    let (legend, legendHeight) = legend(curves, left: inset, top: top + 8)
    let yTicks = yTicks(yMinimum...yMaximum)
    let tickTexts = yTicks.values.map {
      format.tick($0, of: yTicks, isLogarithmic: isLogarithmic)
    }
    let endTexts = curves.compactMap { $0.finite.last.map { format.text($0.y) } }
    // Wider than usual for long numbers, such as those of learning rates.
    let margin = (
      top: top + legendHeight + 18, right: max(58, Self.width(endTexts) + 20),
      bottom: 44 + inset / 2,
      left: inset + max(42, Self.width(tickTexts) + 12)
    )
    let plot = (
      left: margin.left, right: width - margin.right, top: margin.top,
      bottom: height - margin.bottom
    )
    let (xFirst, xLast) = (xs.min() ?? 0, xs.max() ?? 1)
    // An axis that nearly begins at 0 begins there, so that the charts of a run have the same.
    let xStart = xFirst > 0 && xFirst < xLast * 0.05 ? 0 : xFirst
    let xTicks = AxisTicks.linear(
      xStart...xLast, target: Int((plot.right - plot.left) / (xLast >= 1e5 ? 90 : 60)),
      minimumStep: xLast - xStart >= 2 ? 1 : 0, isExtended: false)

    let x = { (value: Double) in
      plot.left + (value - xTicks.range.lowerBound)
        / (xTicks.range.upperBound - xTicks.range.lowerBound) * (plot.right - plot.left)
    }
    let scale = { (value: Double) in isLogarithmic ? log10(value) : value }
    let (low, high) = (scale(yTicks.range.lowerBound), scale(yTicks.range.upperBound))
    let y = { (value: Double) in
      plot.bottom - (scale(value) - low) / (high - low) * (plot.bottom - plot.top)
    }

    var parts: [String] = []
    for (tick, text) in zip(yTicks.values, tickTexts) {
      parts.append(SVG.line(plot.left, y(tick), plot.right, y(tick), style: "grid"))
      parts.append(
        SVG.text(text, x: plot.left - 8, y: y(tick) + 4, style: "tick", anchor: "end"))
    }
    for tick in xTicks.values {
      parts.append(SVG.line(x(tick), plot.bottom, x(tick), plot.bottom + 4, style: "axis"))
      parts.append(
        SVG.text(
          Self.xText(tick, decimals: xTicks.decimals), x: x(tick), y: plot.bottom + 18,
          style: "tick", anchor: "middle"))
    }
    parts.append(SVG.line(plot.left, plot.bottom, plot.right, plot.bottom, style: "axis"))
    parts.append(
      SVG.text(
        xLabel, x: (plot.left + plot.right) / 2, y: plot.bottom + 36, style: "label",
        anchor: "middle"))
    // Baselines are drawn first, below the measured curves.
    for curve in curves.filter(\.isBaseline) + curves.filter({ !$0.isBaseline }) {
      parts.append(path(curve, x: x, y: y, plot: (plot.left, plot.right)))
    }
    parts.append(endValues(curves, x: plot.right + 8, y: y, plot: (plot.top, plot.bottom)))
    return legend + parts.joined()
  }

  /// The width of the widest of the texts, in pixels.
  private static func width(_ texts: [String]) -> Double {
    texts.map { SVG.estimatedWidth($0, size: 12) }.max() ?? 0
  }

  /// A tick of the horizontal axis: thousands are set off, because steps are large numbers.
  private static func xText(_ value: Double, decimals: Int) -> String {
    guard abs(value) < 1e9 else { return NumberText.printf("%.3g", value) }
    return decimals == 0
      ? NumberText.grouped(Int(value.rounded())) : NumberText.fixed(value, decimals: decimals)
  }

  private func yTicks(_ data: ClosedRange<Double>) -> AxisTicks {
    if isLogarithmic { return .logarithmic(data) }
    var range = data
    if format == .number, data.lowerBound >= 0, data.lowerBound < data.upperBound * 0.4 {
      range = 0...data.upperBound
    }
    var ticks = AxisTicks.linear(range)
    if format == .percent, data.upperBound <= 1, ticks.range.upperBound > 1 {
      // No accuracy is above 100%, so neither is the axis.
      ticks.range = ticks.range.lowerBound...1
      ticks.values.removeAll { $0 > 1 }
    }
    return ticks
  }

  private func path(
    _ curve: DrawnCurve, x: (Double) -> Double, y: (Double) -> Double,
    plot: (left: Double, right: Double)
  ) -> String {
    if curve.isLevel, let level = curve.finite.first {
      return SVG.line(
        plot.left, y(level.y), plot.right, y(level.y), style: "curve \(curve.style)")
    }
    var commands = ""
    var marks: [String] = []
    let hasMarks = curve.points.count <= 40 && !curve.isBaseline
    for (index, point) in curve.points.enumerated() {
      guard let point else { continue }
      let followsPoint = index > 0 && curve.points[index - 1] != nil
      let precedesPoint = index + 1 < curve.points.count && curve.points[index + 1] != nil
      commands += (followsPoint ? "L" : "M") + SVG.number(x(point.x)) + " " + SVG.number(y(point.y))
      // A point between two gaps is no line, so that it needs a mark to be seen.
      if hasMarks || !followsPoint && !precedesPoint {
        marks.append(
          SVG.element(
            "circle",
            [
              "class": "mark \(curve.style)", "cx": SVG.number(x(point.x)),
              "cy": SVG.number(y(point.y)), "r": "2.6",
            ]))
      }
    }
    return SVG.element("path", ["class": "curve \(curve.style)", "d": commands]) + marks.joined()
  }

  /// The last value of each curve at the right, moved apart where they would overlap.
  private func endValues(
    _ curves: [DrawnCurve], x: Double, y: (Double) -> Double, plot: (top: Double, bottom: Double)
  ) -> String {
    var labels = curves.compactMap { curve in
      curve.finite.last.map { (y: y($0.y), text: format.text($0.y), style: curve.style) }
    }.sorted { $0.y < $1.y }
    let spacing = 14.0
    for index in labels.indices.dropFirst() {
      labels[index].y = max(labels[index].y, labels[index - 1].y + spacing)
    }
    // Labels that were pushed below the plot push the others up.
    var limit = plot.bottom
    for index in labels.indices.reversed() {
      labels[index].y = min(labels[index].y, limit)
      limit = labels[index].y - spacing
    }
    return labels.map { SVG.text($0.text, x: x, y: $0.y + 4, style: "end \($0.style)") }.joined()
  }

  /// The legend, in as many rows as it needs, and its height.
  private func legend(_ curves: [DrawnCurve], left: Double, top: Double) -> (String, height: Double)
  {
    let (sample, gap) = (22.0, 18.0)
    var parts: [String] = []
    var (x, row) = (left, 0)
    for curve in curves {
      let name = SVG.cut(curve.name, to: 48)
      let length = sample + 6 + SVG.estimatedWidth(name, size: 12)
      if x > left, x + length > width - 8 { (x, row) = (left, row + 1) }
      let y = top + 10 + Double(row) * 18
      parts.append(SVG.line(x, y, x + sample, y, style: "curve \(curve.style)"))
      parts.append(SVG.text(name, x: x + sample + 6, y: y + 4, style: "legend"))
      x += length + gap
    }
    return (parts.joined(), 8 + Double(row + 1) * 18)
  }
}
