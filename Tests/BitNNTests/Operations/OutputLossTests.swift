import BitCore
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// The loss of an output layer without all of its logits.
@Suite struct OutputLossTests {
  @Test(arguments: try FusedFile.load().losses)
  func valuesAndGradients(_ golden: FusedFile.Loss) throws {
    let inputs = [golden.hidden, golden.weight].map(\.tensor)
    let (teacher, labels) = (golden.teacher, golden.labels)
    #expect((teacher != nil) == (golden.share != nil))
    let (value, pullback) = valueWithPullback(at: inputs[0], inputs[1]) {
      outputLoss($0, weight: $1, labels: labels, divisor: golden.divisor, teacher: teacher)
    }
    #expect(abs(Double(value) - golden.value) <= 1e-6 * abs(golden.value))
    let gradients = pullback(1)
    for (gradient, expected) in zip([gradients.0, gradients.1], golden.gradients) {
      #expect(difference(gradient, expected, absolute: 1e-6) == nil)
    }
    let halved = pullback(-0.5)
    #expect(halved.0 == gradients.0 * -0.5 && halved.1 == gradients.1 * -0.5)
    func loss(_ x: [Tensor]) -> Float {
      outputLoss(x[0], weight: x[1], labels: labels, divisor: golden.divisor, teacher: teacher)
    }
    // Outside of a derivative: the same bits.
    #expect(loss(inputs) == value)
    let slopes = slopeDifference(
      { Tensor([loss($0)]) }, at: inputs, upstream: Tensor([1]),
      gradients: [gradients.0, gradients.1])
    #expect(slopes == nil)
    for (row, label) in labels.enumerated() where label == -100 {
      #expect(gradients.0.sliced(axis: 0, row..<row + 1) == .zeros([1, 4]))
    }
  }

  /// Some rows at a time: sums over rows have another order in a BLAS, but the same here.
  @Test(arguments: [1, 2, 3, 6, 7], try FusedFile.load().losses)
  func chunks(_ rows: Int, _ golden: FusedFile.Loss) {
    var operation = OutputLossOperation(
      labels: golden.labels, divisor: golden.divisor, teacher: golden.teacher)
    let (hidden, weight) = (golden.hidden.tensor, golden.weight.tensor)
    let whole = operation(hidden, weight: weight)
    operation.logitCount = rows * 9 + 8
    let parts = operation(hidden, weight: weight)
    #expect(parts.loss == whole.loss)
    #expect(sameBits(parts.hidden, whole.hidden) && sameBits(parts.weight, whole.weight))
    #expect(difference(parts.weight, golden.gradients[1], absolute: 1e-6) == nil)
    // Fewer than a row are a row.
    operation.logitCount = 1
    #expect(sameBits(operation(hidden, weight: weight).weight, whole.weight))
  }

  /// The output layer and the loss as two operations.
  @Test(arguments: [nil, 40])
  func equalsLinearAndCrossEntropy(_ divisor: Int?) {
    let (hidden, weight) = (random([2, 12, 8], seed: 1), random([50, 8], seed: 2))
    let labels = (0..<24).map { row -> Int32 in row % 5 == 3 ? -100 : Int32(row * 7 % 50) }
    let (fused, fusedPullback) = valueWithPullback(at: hidden, weight) {
      outputLoss($0, weight: $1, labels: labels, divisor: divisor)
    }
    let (plain, plainPullback) = valueWithPullback(at: hidden, weight) {
      softmaxCrossEntropy(
        linear($0, weight: $1), labels: labels, ignoredLabel: -100, divisor: divisor)
    }
    #expect(fused == plain)
    let (actual, expected) = (fusedPullback(1), plainPullback(1))
    #expect(actual.0.shape == [2, 12, 8])
    #expect(isSmall(actual.0 - expected.0) && isSmall(actual.1 - expected.1))
    // With a teacher of no share, too.
    let teacher = OutputLossOperation.Teacher(
      hidden: random([24, 3], seed: 3), weight: random([50, 3], seed: 4), share: 0)
    let (taught, pullback) = valueWithPullback(at: hidden) {
      outputLoss($0, weight: weight, labels: labels, divisor: divisor, teacher: teacher)
    }
    #expect(abs(taught - plain) < 4e-6)
    #expect(isSmall(pullback(1) - expected.0))
  }

  private func isSmall(_ x: Tensor) -> Bool {
    x.scalars.allSatisfy { (value: Float) in abs(value) < 1e-6 }
  }

  /// A student that says what the teacher says has nothing to learn from it.
  @Test(arguments: [0.5, 1, 3] as [Float])
  func oneLikeItsTeacher(_ temperature: Float) {
    let (hidden, weight) = (random([6, 8], seed: 1), random([20, 8], seed: 2))
    let teacher = OutputLossOperation.Teacher(
      hidden: hidden, weight: weight, share: 1, temperature: temperature)
    let result = OutputLossOperation(labels: [1, 2, 3, -100, 4, 5], teacher: teacher)(
      hidden, weight: weight)
    #expect(abs(result.loss) < 1e-6)
    #expect(isSmall(result.hidden))
  }

  @Test(arguments: [false, true])
  func allRowsIgnored(_ hasTeacher: Bool) {
    let teacher = OutputLossOperation.Teacher(
      hidden: random([3, 2], seed: 3), weight: random([5, 2], seed: 4), share: 0.5)
    let result = OutputLossOperation(
      labels: [-100, -100, -100], teacher: hasTeacher ? teacher : nil)(
        random([3, 4]), weight: random([5, 4], seed: 2))
    #expect(result.loss == 0)
    #expect(result.hidden == .zeros([3, 4]) && result.weight == .zeros([5, 4]))
  }

  @Test func noRows() {
    let result = OutputLossOperation(labels: [])(.zeros([0, 4]), weight: random([5, 4]))
    #expect(result.loss == 0)
    #expect(result.hidden.shape == [0, 4] && result.weight == .zeros([5, 4]))
  }

  /// The loss is NaN; other rows keep their gradients.
  @Test(arguments: [Float.nan, .infinity], [nil, 0.5 as Float])
  func rowsThatAreNotFinite(_ value: Float, _ share: Float?) {
    let (rows, weight) = (random([4, 3]), random([5, 3], seed: 2))
    var hidden = rows
    hidden[2, 1] = value
    let teacher = share.map {
      OutputLossOperation.Teacher(hidden: rows, weight: weight, share: $0)
    }
    let operation = OutputLossOperation(labels: [1, 4, 0, 2], teacher: teacher)
    let (bad, good) = (operation(hidden, weight: weight), operation(rows, weight: weight))
    #expect(bad.loss.isNaN && good.loss.isFinite)
    for row in 0..<4 {
      let (a, b) = (
        bad.hidden.sliced(axis: 0, row..<row + 1), good.hidden.sliced(axis: 0, row..<row + 1)
      )
      if row == 2 {
        #expect(a.scalars.allSatisfy { $0.isNaN })
      } else {
        #expect(sameBits(a, b))
      }
    }
  }

  @Test func bitsDoNotDependOnThreads() {
    let (hidden, weight) = (random([200, 96], seed: 1), random([300, 96], seed: 2))
    let teacher = OutputLossOperation.Teacher(
      hidden: random([200, 64], seed: 3), weight: random([300, 64], seed: 4), share: 0.5,
      temperature: 2)
    let labels = (0..<200).map { Int32($0 * 7 % 300) }
    let results = withThreadLimits {
      valueWithPullback(at: hidden, weight) {
        outputLoss($0, weight: $1, labels: labels, teacher: teacher)
      }
    }
    #expect(results.one.value == results.all.value)
    let (one, all) = (results.one.pullback(1), results.all.pullback(1))
    #expect(sameBits(one.0, all.0) && sameBits(one.1, all.1))
  }
}
