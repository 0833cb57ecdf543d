import BitTraining

/// The report of the training of a language model, with a baseline beside it if there is one.
struct DecoderReport: Sendable {
  /// The heading of the page.
  var title: String
  /// The arguments of the process, its path included.
  var command: [String]
  /// The numbers that matter most, drawn large.
  var highlights: [Fact] = []
  /// How the run was made; the command is added to them.
  var facts: [Fact] = []
  /// The name of the model in legends: "b158".
  var name: String
  /// What its training measured.
  var history: DecoderTrainingHistory
  /// Another model, usually of float weights, that was trained in the same way.
  var baseline: (name: String, history: DecoderTrainingHistory)?
  /// The codes of the trained model.
  var codes: CodeSnapshot?
  /// The final results, one model per row.
  var results: TextTable?

  /// What the page shows.
  var content: ReportContent {
    var content = ReportContent(title: title, summary: summary)
    content.highlights = highlights
    content.facts = facts + [.command(command)]
    content.charts = charts
    content.chartNote = chartNote
    content.results = results
    content.texts = [(name, history), baseline].compactMap(\.self).compactMap { name, history in
      history.samples.last?.text(of: name)
    }
    content.earlierTexts = history.samples.dropLast().reversed().map { $0.text(of: name) }
    content.layers = (codes?.layers ?? []).map { LayerCodes($0) }
    return content
  }

  /// The page, UTF-8 when written to a file.
  func html() -> String {
    HTMLReport(content: content, command: Fact.command(Array(command.prefix(2))).value).html()
  }

  /// The bits per character of the validation texts as a chart of its own; without validations, the
  /// losses of training.
  func curvesSVG() -> String {
    (history.validations.isEmpty ? lossChart : bitsChart).standaloneSVG()
  }

  private var summary: String {
    guard let last = history.validations.last else { return "" }
    func bits(_ validation: DecoderTrainingHistory.Validation) -> String {
      "\(NumberText.fixed(validation.bitsPerCharacter, decimals: 3)) bits per character"
        + " after \(NumberText.grouped(validation.step)) steps"
    }
    var sentence = "\(name) predicts the validation texts with \(bits(last))"
    if let best = history.validations.min(by: { $0.loss < $1.loss }), best.loss < last.loss {
      sentence += ", at its best with \(bits(best))"
    }
    if let baseline, let last = baseline.history.validations.last {
      sentence += "; \(baseline.name) with \(bits(last))"
    }
    return sentence + "."
  }
}

extension DecoderTrainingHistory.Sample {
  /// The text with the name of the model that wrote it.
  fileprivate func text(of model: String) -> ReportText {
    let time = step == 0 ? "before training" : "after \(NumberText.grouped(step)) steps"
    return ReportText(title: "\(model) \(time)", text: text)
  }
}

extension LayerCodes {
  /// The counts of the codes of one layer.
  fileprivate init(_ layer: CodeSnapshot.Layer) {
    let counts = layer.counts
    self.init(
      name: layer.name, minusOnes: counts[0], zeros: layer.alphabet == .ternary ? counts[1] : 0,
      plusOnes: counts[counts.count - 1])
  }
}
