/// Everything that a training report shows; ``HTMLReport`` turns it into a page.
///
/// Each part may be empty, and the page then leaves its section out.
struct ReportContent: Sendable {
  /// The heading of the page.
  var title: String
  /// One or two sentences below the heading.
  var summary = ""
  /// The few numbers that matter most, drawn large: accuracy, size, time.
  var highlights: [Fact] = []
  /// How the run was made: network, recipe, parameters, epochs, seed, command, date, CPU.
  var facts: [Fact] = []
  /// What was measured along the way: loss, accuracy, ... A chart without curves is left out.
  var charts: [LineChart] = []
  /// A sentence or two on how to read the charts.
  var chartNote: String?
  /// The final results, one model per row.
  var results: TextTable?
  /// Texts that the trained models wrote, shown side by side.
  var texts: [ReportText] = []
  /// Texts that were written earlier, the latest first; they are folded.
  var earlierTexts: [ReportText] = []
  /// The weight codes of each packed layer, in the order of the network.
  var layers: [LayerCodes] = []
  /// The actual and predicted classes of the test set.
  var confusion: ConfusionMatrix?
  /// Test images with their predictions; about 40 make a good page.
  var pictures: [ReportPicture] = []
  /// A sentence on how the images were chosen.
  var pictureNote = ""
}

/// A text that a model wrote.
struct ReportText: Sendable {
  /// Which model wrote it, and when: "b158 after 200 steps".
  var title: String
  /// The text, which may hold any characters.
  var text: String
}

/// One line of a chart.
struct Curve: Sendable {
  /// A measurement; `x` is in epochs or steps, as the chart says.
  struct Point: Sendable {
    var x: Double
    var y: Double
  }

  /// The name in the legend.
  var name: String
  /// The measurements by rising `x`. Where one is not finite, the line has a gap.
  var points: [Point]
  /// A baseline is drawn dashed and grey, and as a level line if it has only one point.
  var isBaseline = false
}

/// How many weights of a layer have each code.
struct LayerCodes: Sendable {
  /// The name of the layer: "layers.0".
  var name: String
  /// The number of weights of code -1.
  var minusOnes: Int
  /// The number of weights of code 0; always 0 for a layer of 1-bit weights.
  var zeros: Int
  /// The number of weights of code +1.
  var plusOnes: Int

  /// The number of weights.
  var total: Int { minusOnes + zeros + plusOnes }

  /// The shares of -1, 0 and +1, which sum to 1; all 0 for a layer without weights.
  var shares: [Double] {
    [minusOnes, zeros, plusOnes].map { total > 0 ? Double($0) / Double(total) : 0 }
  }
}

/// How often samples of each class were predicted as each class.
struct ConfusionMatrix: Sendable {
  /// One class that was predicted as another.
  struct Mistake: Sendable {
    var actual: Int
    var predicted: Int
    var count: Int
  }

  /// The names of the classes.
  var classNames: [String]
  /// `counts[actual][predicted]`; missing entries count as 0.
  var counts: [[Int]]

  /// How many samples of class `actual` were predicted as class `predicted`.
  func count(actual: Int, predicted: Int) -> Int {
    guard counts.indices.contains(actual), counts[actual].indices.contains(predicted) else {
      return 0
    }
    return max(counts[actual][predicted], 0)
  }

  /// The number of samples of a class.
  func total(actual: Int) -> Int {
    classNames.indices.reduce(0) { $0 + count(actual: actual, predicted: $1) }
  }

  /// The share of the samples of a class that was predicted correctly; nil for a class without
  /// samples.
  func recall(_ actual: Int) -> Double? {
    let total = total(actual: actual)
    return total > 0 ? Double(count(actual: actual, predicted: actual)) / Double(total) : nil
  }

  /// The most frequent mistakes, the largest first.
  func largestMistakes(_ limit: Int) -> [Mistake] {
    let mistakes = classNames.indices.flatMap { actual in
      classNames.indices.filter { $0 != actual }.map { predicted in
        Mistake(
          actual: actual, predicted: predicted, count: count(actual: actual, predicted: predicted))
      }
    }
    // Equal counts keep the order of the classes, so that the page is the same every time.
    let sorted = mistakes.filter { $0.count > 0 }.sorted {
      ($1.count, $0.actual, $0.predicted) < ($0.count, $1.actual, $1.predicted)
    }
    return Array(sorted.prefix(max(limit, 0)))
  }
}

/// A test image and its prediction.
struct ReportPicture: Sendable {
  /// The width in pixels.
  var width: Int
  /// The height in pixels.
  var height: Int
  /// `width * height` shades by rows, 0 for the background and 255 for full ink.
  var pixels: [UInt8]
  /// The predicted class.
  var predicted: String
  /// The actual class.
  var actual: String
  /// The probability of the predicted class, from 0 to 1.
  var confidence: Double

  /// Whether the prediction is correct.
  var isCorrect: Bool { predicted == actual }
}
