import BitCore
import BitNN
import Testing

@testable import BitTraining
@testable import bitlinear

@Suite struct DecoderReportTests {
  private static let empty = DecoderReport(
    title: "Nothing", command: ["bitlinear", "train-lm"], name: "b158",
    history: DecoderTrainingHistory())

  @Test func pageHasAllSections() throws {
    var report = DecoderReportSample.report()
    let model = MultilayerPerceptron([BitLinear(8, 5, recipe: .b158), BitLinear(5, 3)])
    report.codes = CodeSnapshot(of: model)
    let page = report.html()
    let xml = ReportXML(page)
    #expect(xml.error == nil)
    for heading in ["Training", "Results", "Sample texts", "Weight codes"] {
      #expect(page.contains("<h2>\(heading)</h2>"))
    }
    for chart in [
      "Loss in nats per token (logarithmic)",
      "Validation bits per character (logarithmic)", "Learning rate",
      "Norm of the gradient (logarithmic)", "Codes changed by one step (logarithmic)",
    ] {
      #expect(page.contains("<h3>\(chart)</h3>"))
    }
    #expect(!xml.text.lowercased().contains("nan"))
    #expect(!xml.elements.contains("script") && !page.contains("url("))
    let ids = xml.values("id")
    #expect(Set(ids).count == ids.count)
    #expect(xml.text.contains("bitlinear train-lm --prompt 'Once upon a time' --steps 3000"))
    #expect(page.contains("<footer>Written by <code>bitlinear train-lm</code>"))
    #expect(page.utf8.count < 300_000)
  }

  @Test func curvesAreThoseOfTheHistories() throws {
    let report = DecoderReportSample.report()
    let charts = report.content.charts
    #expect(
      charts.map { $0.curves.map(\.name) } == [
        ["b158, training", "b158, validation", "float, training", "float, validation"],
        ["b158", "float"], ["b158", "float"], ["b158", "float"], ["b158"],
      ])
    #expect(charts.allSatisfy { $0.xLabel == "step" })
    for chart in charts {
      #expect(chart.curves.allSatisfy { $0.isBaseline == $0.name.hasPrefix("float") })
    }
    let history = report.history
    #expect(charts[0].curves[0].points.map(\.y) == history.points.map(\.loss))
    #expect(charts[0].curves[1].points.map(\.y) == history.validations.map(\.loss))
    #expect(charts[1].curves[0].points.map(\.y) == history.validations.map(\.bitsPerCharacter))
    #expect(charts[2].curves[0].points.map(\.y) == history.points.map(\.learningRate))
    #expect(charts[3].curves[0].points.map(\.y) == history.points.map(\.gradientNorm))
    #expect(charts[4].curves[0].points.map(\.y) == history.points.map(\.flips))
    #expect(charts[4].curves[0].points.map(\.x) == history.points.map { Double($0.step) })
    let baseline = try #require(report.baseline?.history)
    #expect(charts[0].curves[3].points.map(\.y) == baseline.validations.map(\.loss))
  }

  @Test func latestTextsAreShownFirst() {
    let content = DecoderReportSample.report().content
    #expect(content.texts.map(\.title) == ["b158 after 3,000 steps", "float after 3,000 steps"])
    #expect(content.earlierTexts.count == 15)
    #expect(content.earlierTexts.first?.title == "b158 after 2,800 steps")
    #expect(content.earlierTexts.last?.title == "b158 before training")
    let xml = ReportXML(DecoderReportSample.report().html())
    #expect(xml.elements.count { $0 == "details" } == 1)
    #expect(xml.text.contains("15 earlier texts"))
    #expect(xml.text.contains("dog & <her> friends.\n\nOne day, after 3000 steps"))
    #expect(xml.text.contains("time\u{FFFD}\u{FFFD}[31m </div> ,,the"))
  }

  @Test(arguments: [QuantizationRecipe.b158, .bitnet])
  func codesAreCounted(_ recipe: QuantizationRecipe) throws {
    let model = MultilayerPerceptron([BitLinear(9, 7, recipe: recipe)])
    var report = Self.empty
    report.codes = CodeSnapshot(of: model)
    let layer = try #require(report.content.layers.first)
    let packed = model.packedLayers()[0]
    let expected = LayerCodes(name: packed.name, codes: packed.layer.matrix.codes)
    #expect(layer.name == expected.name && layer.total == 63)
    #expect(
      [layer.minusOnes, layer.zeros, layer.plusOnes]
        == [expected.minusOnes, expected.zeros, expected.plusOnes])
  }

  @Test func summaryTellsTheLossAndTheBest() {
    var report = Self.empty
    #expect(report.content.summary == "")
    func validation(_ step: Int, _ loss: Double) -> DecoderTrainingHistory.Validation {
      DecoderTrainingHistory.Validation(step: step, loss: loss, bitsPerCharacter: loss / 2)
    }
    report.history.validations = [validation(0, 4), validation(1_000, 2)]
    #expect(
      report.content.summary
        == "b158 predicts the validation texts with 1.000 bits per character after 1,000 steps.")
    report.history.validations.append(validation(2_000, 3))
    report.baseline = ("float", report.history)
    #expect(
      report.content.summary
        == "b158 predicts the validation texts with 1.500 bits per character after 2,000 steps, "
        + "at its best with 1.000 bits per character after 1,000 steps; float with 1.500 bits per "
        + "character after 2,000 steps.")
  }

  @Test func emptyHistoryIsAPageWithoutCharts() {
    let page = Self.empty.html()
    #expect(ReportXML(page).error == nil)
    #expect(!page.contains("<h2>") && !page.lowercased().contains(">nan"))
    let picture = ReportXML(Self.empty.curvesSVG())
    #expect(picture.error == nil && picture.text.contains("No data"))
  }

  @Test func onePointIsDrawn() {
    var report = Self.empty
    report.history.points = [
      DecoderTrainingHistory.Point(step: 10, loss: 2, learningRate: 0, gradientNorm: 1)
    ]
    report.history.validations = [
      DecoderTrainingHistory.Validation(step: 0, loss: 4, bitsPerCharacter: 2)
    ]
    let page = report.html()
    let xml = ReportXML(page)
    #expect(xml.error == nil)
    #expect(!page.lowercased().contains("nan\"") && !xml.text.lowercased().contains("nan"))
    // Loss, bits per character, learning rate and norm, but no flips; loss has two curves.
    #expect(xml.elements.count { $0 == "svg" } == 4)
    #expect(xml.elements.count { $0 == "circle" } == 5)
    #expect(!page.contains("Codes changed"))
  }

  @Test func curvesFileShowsBothModels() {
    var report = DecoderReportSample.report()
    let xml = ReportXML(report.curvesSVG())
    #expect(xml.error == nil && xml.elements.first == "svg")
    #expect(xml.text.hasPrefix("Validation bits per character"))
    #expect(xml.text.contains("b158: from") && xml.text.contains("float: from"))
    report.history.validations = []
    report.baseline = nil
    let losses = ReportXML(report.curvesSVG())
    #expect(losses.error == nil && losses.text.contains("b158, training: from"))
  }

  @Test func namesAreEscaped() {
    let bad = "<b>&\"'\u{1}</b>"
    var report = DecoderReportSample.report()
    report.title = bad
    report.name = bad
    report.command = [bad, bad]
    report.baseline?.name = bad
    let xml = ReportXML(report.html())
    #expect(xml.error == nil && !xml.elements.contains("b"))
    #expect(ReportXML(report.curvesSVG()).error == nil)
  }
}
