import BitTraining

/// A heat map of a ``ConfusionMatrix``: a row per actual class, a column per predicted class.
///
/// The shade is the share of the row: correct predictions in one colour, mistakes in another and by
/// the square root of their share, because mistakes are few and would all look white.
struct ConfusionMatrixChart: Sendable {
  /// What is drawn.
  var matrix: ConfusionMatrix

  private var classes: Int { matrix.classNames.count }
  private var cell: Double { min(max(460 / Double(max(classes, 1)), 12), 46) }
  private var cellHeight: Double { cell * 0.8 }
  private var labels: [String] { matrix.classNames.map { SVG.cut($0, to: 16) } }
  private var labelWidth: Double {
    (labels.map { SVG.estimatedWidth($0, size: 12) }.max() ?? 0) + 34
  }
  private var top: Double { (labelWidth - 34) * 0.64 + 36 }

  /// The width in pixels at full size.
  var width: Double { labelWidth + Double(classes) * cell + 66 }
  /// The height in pixels at full size.
  var height: Double { top + Double(classes) * cellHeight + 6 }

  /// The chart as an element of a page that has ``ReportStyle``. `id` is unique in the page.
  func svg(id: String) -> String {
    var parts = [axisNames]
    for index in 0..<classes {
      parts.append(names(index))
      for predicted in 0..<classes { parts.append(self.cell(actual: index, predicted: predicted)) }
    }
    return SVG.picture(
      id: id, title: "Confusion matrix", description: description, width: width, height: height,
      content: parts.joined())
  }

  /// The recall of each class, as a list.
  var description: String {
    let recalls = matrix.classNames.indices.map { index in
      "\(matrix.classNames[index]) \(matrix.recall(index).map { NumberText.percent($0) } ?? "no images")"
    }
    return recalls.isEmpty
      ? "No data." : "Recall of each class: \(recalls.joined(separator: ", "))."
  }

  private var axisNames: String {
    let middle = top + Double(classes) * cellHeight / 2
    return SVG.text("predicted class →", x: labelWidth, y: 13, style: "label")
      + "<g transform=\"rotate(-90 12 \(SVG.number(middle)))\">"
      + SVG.text("actual class", x: 12, y: middle + 3, style: "label", anchor: "middle") + "</g>"
      + SVG.text("recall", x: width - 4, y: top - 8, style: "label", anchor: "end")
  }

  /// The name of a class at its row and its column, and its recall.
  private func names(_ index: Int) -> String {
    let baseline = top + (Double(index) + 0.5) * cellHeight + 4
    let x = labelWidth + (Double(index) + 0.5) * cell
    var text = SVG.text(labels[index], x: labelWidth - 8, y: baseline, style: "name", anchor: "end")
    text += "<g transform=\"rotate(-40 \(SVG.number(x)) \(SVG.number(top - 8)))\">"
    text += SVG.text(labels[index], x: x, y: top - 8, style: "name") + "</g>"
    let recall = matrix.recall(index).map { NumberText.percent($0) } ?? "–"
    return text + SVG.text(recall, x: width - 4, y: baseline, style: "name", anchor: "end")
  }

  private func cell(actual: Int, predicted: Int) -> String {
    let count = matrix.count(actual: actual, predicted: predicted)
    let total = matrix.total(actual: actual)
    let share = total > 0 ? Double(count) / Double(total) : 0
    let isCorrect = actual == predicted
    let strength = isCorrect ? share : share.squareRoot()
    let x = labelWidth + Double(predicted) * cell
    let y = top + Double(actual) * cellHeight
    let names = matrix.classNames
    let tooltip =
      "\(names[actual]) predicted as \(names[predicted]): \(NumberText.grouped(count)) of "
      + NumberText.grouped(total)
    func rectangle(_ style: String, opacity: Double = 1, tooltip: String? = nil) -> String {
      SVG.rectangle(
        x: x + 1, y: y + 1, width: cell - 2, height: cellHeight - 2, style: style,
        opacity: opacity, tooltip: tooltip)
    }
    guard count > 0 else { return rectangle("empty") }
    let shade = rectangle(
      isCorrect ? "hit" : "miss", opacity: 0.08 + 0.92 * strength, tooltip: tooltip)
    // Small cells have no space for a number; their tooltip has it.
    guard cell >= 24 else { return rectangle("empty") + shade }
    let style = strength > 0.55 ? "on-strong" : "count"
    return rectangle("empty") + shade
      + SVG.text(
        String(count), x: x + cell / 2, y: y + cellHeight / 2 + 4,
        style: isCorrect ? "\(style) right" : style, anchor: "middle")
  }
}
