import Testing

@testable import BitCore

/// Ignored labels, parts of a batch and large vocabularies; see also LossesTests.
@Suite struct CrossEntropyTests {
  private let logits = random([6, 9_001], seed: 2) * 4
  private let labels: [Int32] = [5, -1, 9_000, 0, -1, 4_096]

  @Test func `ignored rows are as if absent`() {
    let rows = [0, 2, 3, 5]
    let counted = concatenated(rows.map { logits.rows($0..<$0 + 1) })
    let expected = Losses.softmaxCrossEntropy(counted, labels: [5, 9_000, 0, 4_096])
    var withNaN = logits
    withNaN[1, 17] = .nan
    let (loss, gradient) = Losses.softmaxCrossEntropy(withNaN, labels: labels, ignoredLabel: -1)
    #expect(loss == expected.loss)
    #expect(gradient.gathered([0, 2, 3, 5]) == expected.gradient)
    #expect(gradient.gathered([1, 4]) == .zeros([2, 9_001]))
  }

  @Test func `all rows ignored cost nothing`() {
    let (loss, gradient) = Losses.softmaxCrossEntropy(
      .init(repeating: .infinity, shape: [2, 3]), labels: [7, 7], ignoredLabel: 7)
    #expect(loss == 0)
    #expect(gradient == .zeros([2, 3]))
  }

  @Test func `parts of a batch add up to it`() {
    let whole = Losses.softmaxCrossEntropy(logits, labels: labels, ignoredLabel: -1)
    let parts = [0..<2, 2..<6].map { range in
      Losses.softmaxCrossEntropy(
        logits.rows(range), labels: Array(labels[range]), ignoredLabel: -1, divisor: 4)
    }
    #expect(concatenated(parts.map(\.gradient)) == whole.gradient)
    #expect(abs(parts[0].loss + parts[1].loss - whole.loss) <= 1e-6 * whole.loss)
  }

  @Test(arguments: [Float(0), 0.2])
  func `rows in double, and without a gradient`(smoothing: Float) {
    let losses = Losses.crossEntropies(
      logits, labels: labels, labelSmoothing: smoothing, ignoredLabel: -1)
    #expect(losses[1] == 0 && losses[4] == 0)
    for row in [0, 2, 3, 5] {
      let expected = DoubleReference.crossEntropy(
        logits.rows(row..<row + 1).doubles, classes: 9_001, labels: [Int(labels[row])],
        smoothing: Double(smoothing))
      #expect(abs(losses[row] - expected) <= 1e-6 * expected)
    }
    let (loss, gradient) = Losses.softmaxCrossEntropy(
      logits, labels: labels, labelSmoothing: smoothing, ignoredLabel: -1)
    #expect(loss == Float(losses.reduce(0, +) / 4))
    #expect(
      loss
        == Losses.softmaxCrossEntropyLoss(
          logits, labels: labels, labelSmoothing: smoothing, ignoredLabel: -1))
    // The gradients of a row add up to nothing.
    #expect(gradient.sum(axes: [1]).scalars.allSatisfy { abs($0) < 1e-6 })
  }

  @Test func `a label that is neither a class nor ignored is refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Losses.softmaxCrossEntropy(.zeros([1, 3]), labels: [-100], ignoredLabel: -1)
    }
    expectMessage(result, "a label is outside 0..<3")
    let divisor = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Losses.softmaxCrossEntropy(.zeros([1, 3]), labels: [1], divisor: 0)
    }
    expectMessage(divisor, "a loss divided by 0")
  }
}
