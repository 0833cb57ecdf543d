import BitCore
import Foundation
import Testing

@Suite struct LossesTests {
  @Test(arguments: [Float(0), 0.1, 1], [1, 2, 10])
  func `cross entropy and its gradient`(smoothing: Float, classes: Int) {
    let logits = random([6, classes], seed: 2) * 3
    let labels = (0..<6).map { $0 % classes }
    func reference(_ logits: [Double]) -> Double {
      DoubleReference.crossEntropy(
        logits, classes: classes, labels: labels, smoothing: Double(smoothing))
    }
    let (loss, gradient) = Losses.softmaxCrossEntropy(
      logits, labels: labels.map { Int32($0) }, labelSmoothing: smoothing)
    let expected = reference(logits.doubles)
    #expect(abs(Double(loss) - expected) <= 1e-6 * abs(expected))
    #expect(gradient.shape == logits.shape)
    let slope = DoubleReference.gradient(at: logits.doubles, of: reference)
    #expect(difference(gradient, slope, relative: 1e-4, absolute: 1e-6) == nil)
  }

  @Test func `leading axes count as rows`() {
    let logits = random([2, 3, 5])
    let labels: [Int32] = [0, 1, 2, 3, 4, 0]
    let (loss, gradient) = Losses.softmaxCrossEntropy(logits, labels: labels)
    let flat = Losses.softmaxCrossEntropy(logits.reshaped([6, 5]), labels: labels)
    #expect(loss == flat.loss)
    #expect(gradient.shape == [2, 3, 5])
    #expect(gradient.scalars == flat.gradient.scalars)
  }

  @Test func `a small loss next to large logits is not rounded away`() {
    let logits = Tensor([10_000, 9_990, 9_980], shape: [1, 3])
    let (loss, gradient) = Losses.softmaxCrossEntropy(logits, labels: [0])
    let expected = log1p(exp(-10.0) + exp(-20.0))
    #expect(abs(Double(loss) - expected) <= 2e-3 * expected)
    #expect(gradient.scalars.allSatisfy { $0.isFinite })
    let smoothed = Losses.softmaxCrossEntropy(logits, labels: [0], labelSmoothing: 0.3).loss
    #expect(abs(Double(smoothed) - (expected + 0.1 * 30)) <= 1e-5)
  }

  @Test func `large logits do not overflow and a masked class costs nothing`() {
    let logits = Tensor([3e38, -3e38, 0, 0, -.infinity, 0], shape: [2, 3])
    let (loss, gradient) = Losses.softmaxCrossEntropy(logits, labels: [0, 2])
    #expect(abs(Double(loss) - log(2.0) / 2) <= 1e-6)
    #expect(gradient.scalars == [0, 0, 0, 0.25, 0, -0.25])
  }

  @Test func `NaN logits give a NaN loss`() {
    let logits = Tensor([.nan, 1], shape: [1, 2])
    #expect(Losses.softmaxCrossEntropy(logits, labels: [1]).loss.isNaN)
  }

  @Test func `an empty batch costs nothing`() {
    let (loss, gradient) = Losses.softmaxCrossEntropy(.zeros([0, 4]), labels: [])
    #expect(loss == 0)
    #expect(gradient.shape == [0, 4])
    #expect(Losses.meanSquaredError(.zeros([0, 4]), target: .zeros([0, 4])).loss == 0)
  }

  @Test func `mean squared error and its gradient`() {
    let (x, target) = (random([3, 4]), random([3, 4], seed: 9))
    let (loss, gradient) = Losses.meanSquaredError(x, target: target)
    let expected = DoubleReference.meanSquaredError(x.doubles, target.doubles)
    #expect(abs(Double(loss) - expected) <= 1e-6 * expected)
    let slope = DoubleReference.gradient(at: x.doubles) {
      DoubleReference.meanSquaredError($0, target.doubles)
    }
    #expect(gradient.shape == [3, 4])
    #expect(difference(gradient, slope, relativeToLargest: 1e-4) == nil)
  }

  @Test func `predictions take the first of equals and never a NaN`() {
    let logits = Tensor(
      [1, 3, 3, .nan, 0, -1, -5, -.infinity, -4, .nan, .nan, .nan], shape: [4, 3])
    #expect(Losses.predictions(logits) == [1, 1, 2, 0])
    #expect(Losses.predictions(.zeros([0, 3])) == [])
  }

  @Test func `labels outside the classes are refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Losses.softmaxCrossEntropy(.zeros([1, 3]), labels: [3])
    }
    expectMessage(result, "a label is outside 0..<3")
  }
}
