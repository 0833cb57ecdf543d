import BitCore
import BitNN
import BitTraining

extension TrainingResults {
  /// What the report page shows of a run.
  func report(command: [String]) -> ReportContent {
    let shown = packed ?? latent
    var content = ReportContent(title: "Training \(job.network.summary)")
    content.summary = summary
    content.highlights = highlights
    content.facts = facts(command)
    content.charts = [.loss(lossCurves), accuracyChart]
    content.chartNote =
      "The test set is not trained on: a training that works lowers its loss and raises its "
      + "accuracy too. A growing gap between training and test is overfitting."
    content.results = table
    content.layers = job.trainer.model.packedLayers().map {
      LayerCodes(name: $0.name, codes: $0.layer.matrix.codes)
    }
    content.confusion = confusion(shown.evaluation)
    content.pictures = pictures(shown.evaluation)
    content.pictureNote =
      "They are the first \(Self.firstPictures) of the test set, followed by the next mistakes, so "
      + "that mistakes are more frequent here than in the whole test set."
    return content
  }

  private var summary: String {
    guard let packed, let predictionsEqual else {
      return "A float network, for comparison with BitLinear layers."
    }
    let ratio = NumberText.fixed(Double(latent.bytes) / Double(max(1, packed.bytes)), decimals: 1)
    return "The packed model is \(ratio) times smaller than its float32 weights and "
      + (predictionsEqual
        ? "gives the same prediction for every test sample."
        : "does not give the same predictions.")
  }

  private var highlights: [Fact] {
    var facts = [
      Fact(
        name: "Test accuracy",
        value: NumberText.percent((packed ?? latent).evaluation.accuracy, decimals: 2),
        note: float.map {
          "float baseline " + NumberText.percent($0.evaluation.accuracy, decimals: 2)
        })
    ]
    if let packed {
      facts.append(
        Fact(
          name: "Packed model", value: "\(NumberText.grouped(packed.bytes / 1000)) kB",
          note: "float32 \(NumberText.grouped(latent.bytes / 1000)) kB"))
    }
    let seconds = job.trainer.history.epochs.map(\.seconds).sorted()
    if !seconds.isEmpty {
      facts.append(
        Fact(
          name: "Time per epoch",
          value: "\(NumberText.fixed(seconds[seconds.count / 2], decimals: 2)) s",
          note: "\(ThreadPool.shared.threads) threads, \(CPU.kernelName) kernels"))
    }
    return facts
  }

  private func facts(_ command: [String]) -> [Fact] {
    let options = job.trainer.options
    return [
      .command(command),
      Fact(name: "Network", value: job.network.summary),
      Fact(
        name: "Weights",
        value: NumberText.grouped(job.trainer.model.parameterCount)),
      Fact(
        name: "Samples",
        value: "\(NumberText.grouped(job.trainer.data.train.count)) for training, "
          + "\(NumberText.grouped(job.trainer.data.test.count)) for testing"),
      Fact(name: "Epochs", value: "\(options.epochs), batch size \(options.batchSize)"),
      Fact(name: "Learning rate", value: "\(options.learningRate.peak), cosine to 0"),
      Fact(name: "Seed", value: "\(options.seed)"),
      Fact(name: "CPU", value: CPU.features),
      Fact(name: "Date", value: Date().formatted(.iso8601)),
    ]
  }

  private var lossCurves: [Curve] {
    [
      Curve(
        name: "training",
        points: job.trainer.history.losses.map { Curve.Point(x: $0.epoch, y: $0.loss) })
    ] + testCurves(\.testLoss)
  }

  /// The accuracy of all epochs, for the page and as a file.
  var accuracyChart: LineChart {
    .accuracy(
      [Curve(name: "training", points: job.trainer.history.points(\.trainAccuracy))]
        + testCurves(\.testAccuracy))
  }

  /// The curve of the test set, and that of the baseline if there is one.
  private func testCurves(_ figure: (TrainingHistory.Epoch) -> Double) -> [Curve] {
    [Curve(name: "test", points: job.trainer.history.points(figure))]
      + [baseline].compactMap(\.self).map {
        Curve(
          name: "test, float baseline", points: $0.trainer.history.points(figure),
          isBaseline: true)
      }
  }

  private var classNames: [String] {
    job.trainer.data.classNames ?? (0..<job.trainer.data.test.classCount).map { "\($0)" }
  }

  /// The confusion of the classes, unless there are too many to be looked at.
  private func confusion(_ evaluation: Evaluation) -> ConfusionMatrix? {
    let classes = job.trainer.data.test.classCount
    guard classes <= 64 else { return nil }
    var counts = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
    for (label, answer) in zip(job.trainer.data.test.labels, evaluation.predictions) {
      counts[Int(label)][Int(answer)] += 1
    }
    return ConfusionMatrix(classNames: classNames, counts: counts)
  }

  private static let firstPictures = 28

  /// The first test images, and the next ones whose prediction is wrong.
  private func pictures(_ evaluation: Evaluation) -> [ReportPicture] {
    let test = job.trainer.data.test
    guard test.sampleShape.rank == 2 else { return [] }
    let wrong = test.labels.indices.filter { evaluation.predictions[$0] != test.labels[$0] }
    let first = Array(test.labels.indices.prefix(Self.firstPictures))
    let chosen = first + wrong.filter { $0 >= first.count }.prefix(12)
    return chosen.compactMap { index in
      guard let pixels = test.bytes(index) else { return nil }
      return ReportPicture(
        width: test.sampleShape[1], height: test.sampleShape[0], pixels: pixels,
        predicted: classNames[Int(evaluation.predictions[index])],
        actual: classNames[Int(test.labels[index])],
        confidence: Double(evaluation.confidences[index]))
    }
  }
}

extension TrainingHistory {
  /// One figure of every epoch.
  fileprivate func points(_ figure: (Epoch) -> Double) -> [Curve.Point] {
    epochs.map { Curve.Point(x: Double($0.epoch), y: figure($0)) }
  }
}
