import BitCore
import BitFormats
import Foundation
import Testing

@testable import bitlinear

@Suite struct ReportTests {
  @Test func pageIsWellFormedAndSelfContained() {
    let page = HTMLReport(content: ReportSample.content()).html()
    let xml = ReportXML(page)
    #expect(xml.error == nil)
    for heading in ["Training", "Results", "Weight codes", "Confusion matrix", "Test images"] {
      #expect(page.contains("<h2>\(heading)</h2>"))
    }
    #expect(!xml.elements.contains("script") && !xml.elements.contains("link"))
    #expect(xml.values("src").isEmpty && xml.values("href").isEmpty)
    #expect(!page.contains("@import") && !page.contains("url("))
    let ids = xml.values("id")
    #expect(Set(ids).count == ids.count)
    for label in xml.values("aria-labelledby").flatMap({ $0.split(separator: " ") }) {
      #expect(ids.contains(String(label)))
    }
    #expect(page.utf8.count < 400_000)
  }

  /// A table of long names does not fit beside the chart.
  @Test func longLayerNamesStackTheCodes() {
    func page(_ name: String) -> String {
      let layer = LayerCodes(name: name, minusOnes: 100_000, zeros: 100_000, plusOnes: 100_000)
      return HTMLReport(content: ReportContent(title: "x", layers: [layer])).html()
    }
    #expect(page("layers.0").contains("<div class=\"pair\"><figure class=\"card\">"))
    let name = "model.layers.10.self_attn.down_proj.weight"
    let long = page(name)
    #expect(ReportXML(long).error == nil)
    #expect(!long.contains("<div class=\"pair\">"))
    #expect(long.contains("<div class=\"stack\"><figure class=\"card scroll\">"))
    // The chart has the room for the whole name.
    #expect(long.contains(">\(name)</text>"))
  }

  @Test func pageOfNoDataIsWellFormed() {
    let page = HTMLReport(content: ReportContent(title: "Nothing")).html()
    #expect(ReportXML(page).error == nil)
    #expect(!page.contains("<h2>"))
  }

  @Test func allTextIsEscaped() {
    let bad = "<b>&\"'\u{1}</b>"
    let point = [Curve.Point(x: 1, y: 0.5)]
    let curves = [Curve(name: bad, points: point)]
    let content = ReportContent(
      title: bad, summary: bad, highlights: [Fact(name: bad, value: bad, note: bad)],
      facts: [Fact(name: bad, value: bad), Fact(name: bad, value: bad, isCode: true)],
      lossCurves: curves, accuracyCurves: curves,
      results: TextTable(header: [bad], rows: [[bad]]),
      layers: [LayerCodes(name: bad, minusOnes: 1, zeros: 1, plusOnes: 1)],
      confusion: ConfusionMatrix(classNames: [bad, "x"], counts: [[3, 1], [0, 2]]),
      pictures: [
        ReportPicture(
          width: 1, height: 1, pixels: [9], predicted: bad, actual: "x", confidence: 1),
        ReportPicture(
          width: 1, height: 1, pixels: [9], predicted: "x", actual: bad, confidence: 1),
      ])
    let xml = ReportXML(HTMLReport(content: content).html())
    #expect(xml.error == nil)
    // The only elements of this name are the names below the pictures.
    #expect(xml.elements.count { $0 == "b" } == 2)
    // 7 in the head and header, 3 in each chart, 2 in the table, 3 for the layer, at least 5 for
    // the matrix and 5 for the pictures.
    let readable = "<b>&\"'\u{FFFD}</b>"
    #expect(xml.text.components(separatedBy: readable).count - 1 >= 28)
  }

  @Test func picturesHaveTheirPixelsAndMarks() {
    let right = ReportPicture(
      width: 4, height: 2, pixels: [0, 255, 255, 0, 119, 119, 119, 119], predicted: "Bag",
      actual: "Bag", confidence: 0.987)
    var wrong = right
    wrong.predicted = "Coat"
    let html = PictureGrid(pictures: [right, wrong]).html()
    let xml = ReportXML(html)
    #expect(xml.error == nil)
    #expect(html.contains("<path class=\"k15\" d=\"M1 0h2v1h-2z\"/>"))
    #expect(html.contains("<path class=\"k7\" d=\"M0 1h4v1h-4z\"/>"))
    #expect(xml.values("class").filter { $0 == "cross" }.count == 1)
    #expect(
      xml.values("aria-label") == [
        "Correct: Bag, 99%", "Wrong: Bag predicted as Coat, 99%",
      ])
    #expect(xml.text.contains("× Coat99%, is Bag"))
  }

  @Test(arguments: [(3, 3, 8), (0, 0, 0), (-1, 4, 0), (Int.max, 3, 0), (1_000, 1_000, 1_000_000)])
  func pictureOfAnySizeIsDrawn(width: Int, height: Int, count: Int) {
    let picture = ReportPicture(
      width: width, height: height, pixels: (0..<count).map { UInt8(($0 &* 97) & 255) },
      predicted: "a", actual: "b", confidence: .nan)
    let html = PictureGrid(pictures: Array(repeating: picture, count: 100)).html()
    let xml = ReportXML(html)
    #expect(xml.error == nil)
    #expect(xml.elements.count { $0 == "svg" } == PictureGrid.limit)
    #expect(html.utf8.count < 1_000_000)
  }

  @Test func codeSharesAreBars() {
    let chart = CodeShareChart(
      layers: [
        LayerCodes(name: "first", minusOnes: 25, zeros: 50, plusOnes: 25),
        LayerCodes(name: "empty", minusOnes: 0, zeros: 0, plusOnes: 0),
      ], width: 400)
    let xml = ReportXML(chart.svg(id: "c"))
    #expect(xml.error == nil)
    // Three in the legend and three of the first layer.
    #expect(xml.values("width") == ["14", "14", "14", "99", "199", "99"])
    #expect(xml.text.contains("first: −1: 25.0%, 0: 50.0%, +1: 25.0%."))
    #expect(xml.text.contains("no weights"))
  }

  @Test func confusionCountsMistakes() {
    let matrix = ConfusionMatrix(
      classNames: ["a", "b", "c"], counts: [[8, 2, 0], [5, 5]])
    #expect(matrix.recall(0) == 0.8)
    #expect(matrix.recall(2) == nil)
    let mistakes = matrix.largestMistakes(5)
    #expect(mistakes.map(\.count) == [5, 2])
    #expect(mistakes.first?.actual == 1 && mistakes.first?.predicted == 0)
    let xml = ReportXML(ConfusionMatrixChart(matrix: matrix).svg(id: "m"))
    #expect(xml.error == nil)
    #expect(xml.text.contains("a predicted as b: 2 of 10"))
    #expect(xml.text.contains("a 80.0%, b 50.0%, c no images."))
    #expect(xml.values("class").count { $0 == "hit" } == 2)
    #expect(xml.values("class").count { $0 == "miss" } == 2)
  }

  @Test func confusionOfNoClassesIsDrawn() {
    let chart = ConfusionMatrixChart(matrix: ConfusionMatrix(classNames: [], counts: []))
    #expect(ReportXML(chart.svg(id: "m")).error == nil)
  }
}
