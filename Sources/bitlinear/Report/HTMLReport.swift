import BitTraining

/// The report of a training run as one page that needs nothing else: no network, no scripts.
///
/// The page is well-formed XML as well, so that programs can read it.
struct HTMLReport: Sendable {
  /// What the page shows.
  var content: ReportContent
  /// The command that the page is from.
  var command = "bitlinear train"

  /// The page, UTF-8 when written to a file.
  func html() -> String {
    let title = SVG.escape(content.title)
    let sections = [header, curves, results, texts, layers, confusion, pictures].compactMap { $0 }
    return """
      <!DOCTYPE html>
      <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
      <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>\(title)</title>
      <style>
      \(ReportStyle.page)
      </style>
      </head>
      <body>
      <main>
      \(sections.joined(separator: "\n"))
      <footer>Written by <code>\(SVG.escape(command))</code>. This page needs no network.</footer>
      </main>
      </body>
      </html>

      """
  }

  // MARK: - Sections

  private var header: String? {
    var parts = ["<h1>\(SVG.escape(content.title))</h1>"]
    if !content.summary.isEmpty {
      parts.append("<p class=\"summary\">\(SVG.escape(content.summary))</p>")
    }
    if !content.highlights.isEmpty {
      let cards = content.highlights.map { fact in
        let note = fact.note.map { "<dd class=\"remark\">\(SVG.escape($0))</dd>" } ?? ""
        return "<div><dt>\(SVG.escape(fact.name))</dt>"
          + "<dd class=\"value\">\(SVG.escape(fact.value))</dd>\(note)</div>"
      }
      parts.append("<dl class=\"highlights\">\(cards.joined())</dl>")
    }
    if !content.facts.isEmpty {
      let facts = content.facts.map { fact in
        // Browsers break lines at hyphens, which would tear an option from its dashes.
        let words = fact.value.split(separator: " ", omittingEmptySubsequences: false).map {
          "<span>\(SVG.escape(String($0)))</span>"
        }
        let value =
          fact.isCode ? "<code>\(words.joined(separator: " "))</code>" : SVG.escape(fact.value)
        return "<div\(fact.isCode ? " class=\"wide\"" : "")><dt>\(SVG.escape(fact.name))</dt>"
          + "<dd>\(value)</dd></div>"
      }
      parts.append("<dl class=\"facts card\">\(facts.joined())</dl>")
    }
    return parts.joined(separator: "\n")
  }

  private var curves: String? {
    let cards = content.charts.enumerated().filter { !$0.element.curves.isEmpty }
      .map { index, chart in
        "<figure class=\"card\"><h3>\(SVG.escape(chart.title))</h3>"
          + "\(chart.svg(id: "chart-\(index)"))</figure>"
      }
    return section(
      "Training", content.chartNote,
      cards.isEmpty ? nil : "<div class=\"pair\">\(cards.joined(separator: "\n"))</div>")
  }

  private var results: String? {
    guard let table = content.results, table.columnCount > 0 else { return nil }
    return section("Results", nil, "<div class=\"card scroll\">\(html(table))</div>")
  }

  private var confusion: String? {
    guard let matrix = content.confusion, !matrix.classNames.isEmpty else { return nil }
    let mistakes = matrix.largestMistakes(8)
    let table = TextTable(
      header: ["Actual", "Predicted", "Count"],
      rows: mistakes.map {
        [
          matrix.classNames[$0.actual], matrix.classNames[$0.predicted],
          NumberText.grouped($0.count),
        ]
      })
    let list =
      mistakes.isEmpty
      ? "<p class=\"note\">There are none.</p>" : html(table)
    let chart = ConfusionMatrixChart(matrix: matrix).svg(id: "confusion")
    return section(
      "Confusion matrix",
      "A row per actual class and a column per predicted class of the test images; the diagonal is "
        + "correct. The shade is the share of the row, for mistakes its square root.",
      "<div class=\"matrix\"><figure class=\"card scroll\"><div class=\"wide\">\(chart)</div>"
        + "</figure><div class=\"card scroll\"><h3>Most frequent mistakes</h3>\(list)</div></div>")
  }

  private var pictures: String? {
    guard !content.pictures.isEmpty else { return nil }
    let shown = content.pictures.prefix(PictureGrid.limit)
    let wrong = shown.count { !$0.isCorrect }
    let marking = wrong == 0 ? "" : "; a wrong one is framed, marked × and has its actual class"
    return section(
      "Test images",
      "\(shown.count - wrong) of these \(shown.count) predictions are correct\(marking). "
        + "The percentage is the probability that the network gives. \(content.pictureNote)",
      PictureGrid(pictures: Array(shown)).html())
  }

  // MARK: - Parts

  /// A part of the page with its heading; nil without a body.
  func section(_ title: String, _ note: String?, _ body: String?) -> String? {
    guard let body else { return nil }
    let paragraph = note.map { "<p class=\"note\">\(SVG.escape($0))</p>\n" } ?? ""
    return "<section>\n<h2>\(title)</h2>\n\(paragraph)\(body)\n</section>"
  }

  /// A table as an element.
  func html(_ table: TextTable) -> String {
    func cells(_ row: [String], _ element: String) -> String {
      table.isNumeric.enumerated().map { column, isNumeric in
        SVG.element(
          element, ["class": isNumeric ? "number" : nil],
          column < row.count ? SVG.escape(row[column]) : "")
      }.joined()
    }
    let rows = table.rows.map { "<tr>\(cells($0, "td"))</tr>" }
    return "<table><thead><tr>\(cells(table.header, "th"))</tr></thead><tbody>"
      + rows.joined(separator: "\n") + "</tbody></table>"
  }
}
