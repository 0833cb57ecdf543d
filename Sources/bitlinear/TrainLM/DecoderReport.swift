import BitTraining

/// PLACEHOLDER until the report page is merged.
struct DecoderReport {
  var title: String
  var command: [String]
  var facts: [Fact]
  var history: DecoderTrainingHistory
  var name: String
  var baseline: (name: String, history: DecoderTrainingHistory)?
  var codes: CodeSnapshot?
  var results: TextTable?
  var highlights: [Fact]
  func html() -> String { "" }
  func curvesSVG() -> String { "" }
}
