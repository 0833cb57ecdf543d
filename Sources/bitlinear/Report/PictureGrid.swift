import BitTraining

/// Test images as small vector drawings with the predictions of the network below them.
///
/// Each picture is a set of paths, one per shade of 15, made of runs of equal pixels; that is about
/// 2 kB for 28 x 28 pixels and follows the colours of the page.
struct PictureGrid: Sendable {
  /// The pictures, in the order of the page.
  var pictures: [ReportPicture]

  /// The maximum number of pictures, so that the page stays small.
  static let limit = 60
  /// A picture with more pixels on a side is drawn with every second, third ... of them.
  static let sideLimit = 32

  /// The pictures as HTML, which flows into as many columns as fit.
  func html() -> String {
    let figures = pictures.prefix(Self.limit).map(figure)
    return "<div class=\"pictures\">\n" + figures.joined(separator: "\n") + "\n</div>"
  }

  private func figure(_ picture: ReportPicture) -> String {
    let confidence = NumberText.percent(picture.confidence, decimals: 0)
    let label =
      picture.isCorrect
      ? "Correct: \(picture.predicted), \(confidence)"
      : "Wrong: \(picture.actual) predicted as \(picture.predicted), \(confidence)"
    let predicted = SVG.escape(picture.predicted)
    let caption =
      picture.isCorrect
      ? "<b>\(predicted)</b><span>\(confidence)</span>"
      : "<b><i>×</i> \(predicted)</b><span>\(confidence), is \(SVG.escape(picture.actual))</span>"
    return "<figure class=\"\(picture.isCorrect ? "right" : "wrong")\">"
      + drawing(picture, label: label) + "<figcaption>\(caption)</figcaption></figure>"
  }

  private func drawing(_ picture: ReportPicture, label: String) -> String {
    let (width, height) = (max(picture.width, 0), max(picture.height, 0))
    // The product may overflow in a nonsensical picture, which is then drawn empty.
    let (count, overflow) = width.multipliedReportingOverflow(by: height)
    let isSound = !overflow && count > 0 && picture.pixels.count == count
    let step = isSound ? max((max(width, height) + Self.sideLimit - 1) / Self.sideLimit, 1) : 1
    let columns = isSound ? (width + step - 1) / step : 28
    let rows = isSound ? (height + step - 1) / step : 28
    var paths: [String] = []
    if isSound {
      let shades = Self.shadePaths(picture, columns: columns, rows: rows, step: step)
      for (shade, path) in shades.enumerated() where !path.isEmpty {
        paths.append("<path class=\"k\(shade)\" d=\"\(path)\"/>")
      }
    }
    if !picture.isCorrect { paths.append(Self.cross(columns: columns)) }
    return
      "<svg viewBox=\"0 0 \(columns) \(rows)\" role=\"img\" aria-label=\"\(SVG.escape(label))\""
      + " shape-rendering=\"crispEdges\"><title>\(SVG.escape(label))</title>"
      + paths.joined() + "</svg>"
  }

  /// For each shade from 0 to 15 the runs of its pixels as rectangles; none for shade 0.
  private static func shadePaths(
    _ picture: ReportPicture, columns: Int, rows: Int, step: Int
  ) -> [String] {
    var paths = [String](repeating: "", count: 16)
    for row in 0..<rows {
      let shades = (0..<columns).map { column in
        (Int(picture.pixels[row * step * picture.width + column * step]) + 8) / 17
      }
      var start = 0
      for column in 1...columns where column == columns || shades[column] != shades[start] {
        if shades[start] > 0 {
          let length = column - start
          paths[shades[start]] += "M\(start) \(row)h\(length)v1h-\(length)z"
        }
        start = column
      }
    }
    return paths
  }

  /// The sign of a wrong prediction in the upper right corner: a disc with a cross.
  private static func cross(columns: Int) -> String {
    let scale = NumberText.fixed(Double(columns) / 28, decimals: 3)
    return "<g class=\"cross\" shape-rendering=\"auto\""
      + " transform=\"translate(\(columns) 0) scale(\(scale)) translate(-4.6 4.6)\">"
      + "<circle r=\"3.6\"/><path d=\"M-1.5 -1.5L1.5 1.5M-1.5 1.5L1.5 -1.5\"/></g>"
  }
}
