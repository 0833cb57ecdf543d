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
      charts: [.loss(curves), .accuracy(curves)], chartNote: bad,
      results: TextTable(header: [bad], rows: [[bad]]),
      texts: [ReportText(title: bad, text: bad)],
      earlierTexts: [ReportText(title: bad, text: bad)],
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
    // 7 in the head and header, 3 in each chart and a note, 2 in the table, 4 texts, 3 for the
    // layer, at least 5 for the matrix and 5 for the pictures.
    let readable = "<b>&\"'\u{FFFD}</b>"
    #expect(xml.text.components(separatedBy: readable).count - 1 >= 33)
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

  /// 210 layers, seven kinds in each of 30 blocks, and one that is alone.
  static let manyLayers: [LayerCodes] =
    (0..<30).flatMap { block in
      [
        "self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up",
        "mlp.down",
      ]
      .enumerated().map { index, name in
        LayerCodes(
          name: "model.layers.\(block).\(name)_proj", minusOnes: 100_000 + 900 * block,
          zeros: 90_000 + 2_000 * index, plusOnes: 100_000 + 400 * block)
      }
    } + [LayerCodes(name: "lm_head", minusOnes: 5, zeros: 0, plusOnes: 6)]

  @Test func manyLayersAreShownByTheirKinds() {
    let page = HTMLReport(content: ReportContent(title: "x", layers: Self.manyLayers)).html()
    let xml = ReportXML(page)
    #expect(xml.error == nil)
    // The legend, seven kinds and the one alone.
    #expect(xml.elements.count { $0 == "svg" } == 9)
    #expect(xml.values("id").contains("codes-7-title"))
    #expect(page.contains("<td>model.layers.*.mlp.down_proj</td>"))
    #expect(page.contains("<summary>All 211 layers</summary>"))
    #expect(page.contains("<td>model.layers.29.mlp.down_proj</td>"))
    #expect(xml.text.contains("model.layers.29.mlp.down_proj: −1: 37.1%, 0: 30.0%, +1: 32.9%"))
    #expect(page.utf8.count < 250_000)
  }

  @Test func kindsKeepTheOrderAndAllLayers() throws {
    let kinds = LayerKind.kinds(of: Self.manyLayers)
    #expect(kinds.count == 8)
    #expect(kinds[0].name == "model.layers.*.self_attn.q_proj" && kinds[7].name == "lm_head")
    #expect(kinds[0].numbers == (0..<30).map { "\($0)" })
    #expect(kinds.reduce(0) { $0 + $1.layers.count } == Self.manyLayers.count)
    #expect(kinds[0].total.minusOnes == (0..<30).reduce(0) { $0 + 100_000 + 900 * $1 })
    #expect(kinds[0].total.zeros == 30 * 90_000)
    let alone = LayerKind.kinds(
      of: ["a", "b", "x.1", "x.2"].map {
        LayerCodes(name: $0, minusOnes: 1, zeros: 0, plusOnes: 1)
      })
    #expect(alone.map(\.name) == ["x.*", "Layers of other names"])
    #expect(alone.last?.layers.map(\.name) == ["a", "b"])
  }

  @Test(arguments: [1, 2, 30, 2_000]) func stripsOfAnyLengthAreDrawn(count: Int) {
    var kind = LayerKind(name: "layers.*")
    for index in 0..<count {
      // The first has no weights.
      kind.layers.append(
        LayerCodes(name: "layers.\(index)", minusOnes: index, zeros: index, plusOnes: 2 * index))
      kind.numbers.append("\(index)")
    }
    let chart = CodeStripChart(kind: kind)
    let xml = ReportXML(chart.svg(id: "s"))
    #expect(xml.error == nil)
    #expect(xml.elements.count { $0 == "rect" } == 3 * (count - 1))
    let sizes = (xml.values("width") + xml.values("height")).map { Double($0) ?? -1 }
    #expect(sizes.allSatisfy { $0 > 0 && $0 <= chart.width })
    // A tick for each layer, as far as they do not overlap, and two texts above the bars.
    #expect(xml.elements.count { $0 == "text" } <= 3 + Int(chart.width / 28))
  }

  @Test func textsKeepTheirSpaces() {
    let content = ReportContent(
      title: "x", texts: [ReportText(title: "a", text: "\n  two\tspaces\r\n\u{0}\u{FFFF}\u{9B}")],
      earlierTexts: [ReportText(title: "b", text: "]]> é 中 🙂 \u{202E}x")])
    let page = HTMLReport(content: content).html()
    let xml = ReportXML(page)
    #expect(xml.error == nil)
    #expect(xml.text.contains("a\n  two\tspaces\u{FFFD}\n\u{FFFD}\u{FFFD}\u{FFFD}"))
    #expect(xml.text.contains("]]> é 中 🙂 \u{202E}x"))
    // Only the earlier one is closed.
    #expect(page.contains("<summary>1 earlier text</summary>"))
    #expect(xml.elements.count { $0 == "details" } == 1)
    #expect(xml.elements.count { $0 == "summary" } == 1)
  }

  @Test func commandsCanBeRunAgain() {
    let fact = Fact.command([
      "/usr/bin/bitlinear", "train", "--data", "a b", "--prompt", "it's", "",
    ])
    #expect(fact.value == "bitlinear train --data 'a b' --prompt 'it'\\''s' ''")
    #expect(Fact.command([]).value == "bitlinear")
    // Two spaces of an argument are two on the page.
    let content = ReportContent(title: "x", facts: [.command(["bitlinear", "a  b"])])
    #expect(ReportXML(HTMLReport(content: content).html()).text.contains("bitlinear 'a  b'"))
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
