import BitTraining
import BitCore
import BitFormats
import BitNN
import Foundation
import Testing

@testable import bitlinear

@Suite struct ReportChartTests {
  private static func curve(_ ys: [Double], isBaseline: Bool = false) -> Curve {
    Curve(
      name: "c", points: ys.enumerated().map { Curve.Point(x: Double($0.offset), y: $0.element) },
      isBaseline: isBaseline)
  }

  /// All coordinates of a picture, those of paths as well.
  private static func coordinates(_ xml: ReportXML) -> [Double] {
    let plain = ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy"].flatMap(xml.values)
    let paths = xml.values("d").flatMap { $0.split { "ML ".contains($0) }.map(String.init) }
    return (plain + paths).map { Double($0) ?? .nan }
  }

  static let curveSets: [[Curve]] = [
    [], [curve([])], [curve([.nan, .nan])], [curve([.infinity, 1, .nan, 2])], [curve([0.5])],
    [curve([0])], [curve([0, 0, 0])], [curve([-3, 5])], [curve([1e-12, 1e-11])],
    [curve([1e300, -1e300, 2])], [curve([1e14, 1e15])], [curve([.leastNonzeroMagnitude, 0])],
    [curve([1, 2]), curve([1.5], isBaseline: true)], [curve([0.5], isBaseline: true)],
    [curve([1, .nan, 3, .nan, 2])], [curve([1e-8, 1, 1e8])], [curve([1, 1 + 1e-15])],
    [curve((0..<5_000).map { 1 / Double($0 + 1) })],
    Array(repeating: curve([1, 2, 3]), count: 12),
  ]

  @Test(arguments: curveSets) func anyCurvesAreDrawn(_ curves: [Curve]) {
    for isLogarithmic in [false, true] {
      for format in [LineChart.ValueFormat.number, .percent] {
        let chart = LineChart(
          title: "T", curves: curves, format: format, isLogarithmic: isLogarithmic)
        let xml = ReportXML(chart.standaloneSVG())
        #expect(xml.error == nil)
        let coordinates = Self.coordinates(xml)
        #expect(coordinates.allSatisfy { $0 > -50 && $0 < 800 })
        #expect(chart.svg(id: "x").utf8.count < 20_000)
      }
    }
  }

  @Test func emptyChartSaysSo() {
    let xml = ReportXML(LineChart(title: "T", curves: [Self.curve([.nan])]).svg(id: "x"))
    #expect(xml.text == "TNo data.No data")
  }

  @Test func gapsPartTheLine() throws {
    let xml = ReportXML(
      LineChart(title: "T", curves: [Self.curve([1, 2, .nan, 3, 4])]).svg(id: "x"))
    let path = try #require(xml.values("d").first)
    #expect(path.count { $0 == "M" } == 2 && path.count { $0 == "L" } == 2)
    #expect(xml.elements.count { $0 == "circle" } == 4)
  }

  @Test func lonePointsOfLongCurvesAreMarked() {
    var ys = [Double](repeating: .nan, count: 100)
    ys[50] = 1
    let xml = ReportXML(LineChart(title: "T", curves: [Self.curve(ys)]).svg(id: "x"))
    #expect(xml.elements.count { $0 == "circle" } == 1)
  }

  @Test func baselineOfOnePointIsALevelLine() throws {
    let chart = LineChart(
      title: "T", curves: [Self.curve([1, 2]), Self.curve([1.5], isBaseline: true)])
    let xml = ReportXML(chart.svg(id: "x"))
    let lines = zip(xml.elements, xml.attributes).filter {
      $0.0 == "line" && $0.1["class"] == "curve b0"
    }.map(\.1)
    // The first is that of the legend.
    #expect(lines.count == 2)
    let level = try #require(lines.last)
    #expect(level["y1"] == level["y2"])
    #expect(level["x1"] == "42" && level["x2"] == "406")
  }

  @Test func lastValuesDoNotOverlap() {
    let chart = LineChart(
      title: "T", curves: [[0, 1], [0, 1.001], [0, 1.002], [0, 0.2]].map { Self.curve($0) })
    let xml = ReportXML(chart.svg(id: "x"))
    let ys = xml.attributes.filter { $0["class"]?.hasPrefix("end") == true }
      .compactMap { $0["y"].flatMap(Double.init) }.sorted()
    #expect(ys.count == 4)
    #expect(zip(ys, ys.dropFirst()).allSatisfy { $1 - $0 >= 13.9 })
  }

  @Test func descriptionTellsTheCurves() {
    var chart = LineChart(title: "T", curves: [Self.curve([0.5, 0.901])], format: .percent)
    #expect(chart.description == "c: from 50.0% at epoch 0 to 90.1% at epoch 1.")
    chart.curves = [Self.curve([0.5])]
    #expect(chart.description == "c: 50.0%.")
  }

  @Test func standaloneChartBringsItsColors() {
    let svg = LineChart(title: "T", curves: [Self.curve([1, 2])]).standaloneSVG()
    #expect(!svg.contains("var("))
    #expect(svg.contains(".ground{fill:#ffffff"))
    #expect(
      svg.hasPrefix("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"760\""))
  }

  @Test func lossIsLogarithmicOnlyIfItFallsFar() {
    #expect(LineChart.loss([Self.curve([2.3, 0.2])]).isLogarithmic)
    #expect(!LineChart.loss([Self.curve([2.3, 0.4])]).isLogarithmic)
    #expect(!LineChart.loss([]).isLogarithmic)
  }

  @Test func accuracyAxisEndsAtOne() {
    let chart = LineChart(title: "T", curves: [Self.curve([0.2, 1])], format: .percent)
    let text = ReportXML(chart.svg(id: "x")).text
    #expect(text.contains("100%") && !text.contains("120%"))
    let level = LineChart(title: "T", curves: [Self.curve([1, 1])], format: .percent)
    #expect(!ReportXML(level.svg(id: "x")).text.contains("102%"))
  }

  @Test func smallValuesKeepTheirDigits() {
    func text(_ values: [Double], _ format: LineChart.ValueFormat, _ isLogarithmic: Bool) -> String
    {
      ReportXML(
        LineChart(
          title: "T", curves: [Self.curve(values)], format: format, isLogarithmic: isLogarithmic
        ).svg(id: "x")
      ).text
    }
    #expect(text([0, 1.5e-3], .number, false).contains("c: from 0 at epoch 0 to 0.0015 at"))
    #expect(text([0.1, 2e-5], .percent, true).contains("c: from 10.0% at epoch 0 to 0.002% at"))
    for tick in ["0.01%", "0.1%", "1%"] {
      #expect(text([0.1, 2e-5], .percent, true).contains(tick))
    }
  }

  /// Numbers that are longer than usual get more space.
  @Test func longTicksStayInThePicture() {
    let chart = LineChart(title: "T", curves: [Self.curve([1.2e-5, 3.2e-5])])
    let xml = ReportXML(chart.svg(id: "x"))
    #expect(xml.error == nil)
    let axes = xml.attributes.filter { $0["class"] == "axis" }
    let left = axes.compactMap { $0["x1"].flatMap { Double($0) } }.min() ?? 0
    #expect(left > 50)
  }

  @Test func stepsAreSetOffByThousands() {
    let curve = Curve(name: "c", points: [0, 250_000].map { Curve.Point(x: $0, y: 1) })
    let text = ReportXML(LineChart(title: "T", curves: [curve], xLabel: "step").svg(id: "x")).text
    #expect(text.contains("100,000") && text.contains("step"))
  }

  /// Charts of one run have the same axis, even if a curve begins later or ends earlier.
  @Test func axisCoversGapsAndBeginsAtZero() {
    let points = (1...300).map { Curve.Point(x: Double(10 * $0), y: $0 < 250 ? 1 : 0) }
    let chart = LineChart(
      title: "T", curves: [Curve(name: "c", points: points)], xLabel: "step", isLogarithmic: true)
    let xml = ReportXML(chart.svg(id: "x"))
    let ticks = zip(xml.attributes, xml.elements).filter {
      $0.1 == "line" && $0.0["class"] == "axis"
    }
    // Every 500 from 0 to 3,000, and the axis itself.
    #expect(ticks.count == 8)
    #expect(xml.text.contains("05001,0001,5002,0002,5003,000step"))
  }

  @Test(arguments: [
    (0.0...10.0, [0, 2, 4, 6, 8, 10], 0), (0.71...0.93, [0.7, 0.75, 0.8, 0.85, 0.9, 0.95], 2),
    (-1.0...1.0, [-1, -0.5, 0, 0.5, 1], 1), (0.0...2.31, [0, 0.5, 1, 1.5, 2, 2.5], 1),
    (3.0...3.0, [2.8, 2.9, 3, 3.1, 3.2], 1),
  ]) func linearTicksAreRound(data: ClosedRange<Double>, expected: [Double], decimals: Int) {
    let ticks = AxisTicks.linear(data)
    #expect(
      ticks.values.map { NumberText.fixed($0, decimals: 6) }
        == expected.map { NumberText.fixed($0, decimals: 6) }
    )
    #expect(ticks.decimals == decimals)
    #expect(ticks.range.lowerBound <= data.lowerBound && ticks.range.upperBound >= data.upperBound)
  }

  @Test func ticksKeepToWholeEpochs() {
    let ticks = AxisTicks.linear(0.05...3, target: 10, minimumStep: 1, isExtended: false)
    #expect(ticks.values == [1, 2, 3])
    #expect(ticks.range == 0.05...3)
  }

  @Test func logarithmicTicksAreRound() {
    #expect(
      AxisTicks.logarithmic(0.17...2.2).values.map { SVG.number($0) } == [
        "0.2", "0.3", "0.5", "0.7", "1", "1.5", "2",
      ])
    #expect(
      AxisTicks.logarithmic(0.05...30).values.map { SVG.number($0) } == [
        "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "20",
      ])
    #expect(AxisTicks.logarithmic(1e-60...1e60).values.count <= 9)
  }

  @Test func numbersDoNotDependOnTheLocale() {
    #expect(NumberText.fixed(1234.5678, decimals: 2) == "1234.57")
    #expect(NumberText.fixed(-0.001, decimals: 2) == "0.00")
    #expect(NumberText.fixed(.nan, decimals: 2) == "nan")
    #expect(NumberText.fixed(2.5e20, decimals: 2) == "2.5e+20")
    #expect(SVG.number(1.50) == "1.5" && SVG.number(120) == "120" && SVG.number(.infinity) == "0")
    #expect(NumberText.grouped(1_234_567) == "1,234,567" && NumberText.grouped(-999) == "-999")
    #expect(NumberText.grouped(.min) == "-9,223,372,036,854,775,808")
    #expect(NumberText.percent(0.89914) == "89.9%")
  }
}
