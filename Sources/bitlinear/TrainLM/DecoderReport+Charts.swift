import BitTraining

/// Curves over the steps of a training, those of the baseline dashed.
extension DecoderReport {
  /// All charts; those without curves are left out of the page.
  var charts: [LineChart] {
    [
      lossChart, bitsChart,
      chart("Learning rate", curves(Self.points(\.learningRate))),
      chart(
        "Norm of the gradient (logarithmic)", curves(Self.points(\.gradientNorm)),
        isLogarithmic: true),
      chart(
        "Codes changed by one step (logarithmic)", curves(Self.flips), format: .percent,
        isLogarithmic: true),
    ]
  }

  /// The losses of training and validation.
  var lossChart: LineChart {
    let all =
      curves(Self.points(\.loss), suffix: ", training")
      + curves(Self.validations(\.loss), suffix: ", validation")
    // The curves of the model before those of the baseline.
    return chart(
      "Loss in nats per token (logarithmic)",
      all.filter { !$0.isBaseline } + all.filter(\.isBaseline), isLogarithmic: true)
  }

  /// The validation loss in a unit that does not depend on the tokenizer.
  var bitsChart: LineChart {
    chart(
      "Validation bits per character (logarithmic)",
      curves(Self.validations(\.bitsPerCharacter)), isLogarithmic: true)
  }

  /// How to read the charts that there are.
  var chartNote: String {
    var sentences = ["The validation texts are not trained on."]
    if history.validations.isEmpty { sentences = ["There are no validation texts."] }
    if !Self.flips(history).isEmpty {
      sentences.append(
        "The last chart is the share of all weight codes that one step changed; where a step "
          + "changed none, its curve has a gap.")
    }
    return sentences.joined(separator: " ")
  }

  private func chart(
    _ title: String, _ curves: [Curve], format: LineChart.ValueFormat = .number,
    isLogarithmic: Bool = false
  ) -> LineChart {
    LineChart(
      title: title, curves: curves, xLabel: "step", format: format,
      isLogarithmic: isLogarithmic)
  }

  /// The curve of the model, and that of the baseline, as far as they have points.
  private func curves(
    _ points: (DecoderTrainingHistory) -> [Curve.Point], suffix: String = ""
  ) -> [Curve] {
    var curves = [Curve(name: name + suffix, points: points(history))]
    if let baseline {
      curves.append(
        Curve(name: baseline.name + suffix, points: points(baseline.history), isBaseline: true))
    }
    return curves.filter { !$0.points.isEmpty }
  }

  private static func points(
    _ figure: @escaping (DecoderTrainingHistory.Point) -> Double
  ) -> (DecoderTrainingHistory) -> [Curve.Point] {
    { $0.points.map { Curve.Point(x: Double($0.step), y: figure($0)) } }
  }

  private static func validations(
    _ figure: @escaping (DecoderTrainingHistory.Validation) -> Double
  ) -> (DecoderTrainingHistory) -> [Curve.Point] {
    { $0.validations.map { Curve.Point(x: Double($0.step), y: figure($0)) } }
  }

  /// The flips; none of a model without codes.
  private static func flips(_ history: DecoderTrainingHistory) -> [Curve.Point] {
    guard history.points.contains(where: { $0.flips > 0 }) else { return [] }
    return points(\.flips)(history)
  }
}
