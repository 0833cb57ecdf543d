import BitCore
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// The plain operations against PyTorch in float64 and against central differences.
@Suite struct GoldenOperationTests {
  @Test func everyOperationHasItsNumbers() throws {
    let names = try OperationsFile.load().operations.map(\.name)
    #expect(names.sorted() == OperationCases.functions.keys.sorted())
  }

  @Test(arguments: try OperationsFile.load().operations)
  func valuesAndGradients(_ golden: OperationsFile.Operation) throws {
    let function = try #require(OperationCases.functions[golden.name])
    let (inputs, constants) = (golden.inputs.map(\.tensor), golden.constants.map(\.tensor))
    let (output, pullback) = valueWithPullback(at: inputs) { function($0, constants) }
    #expect(difference(output, golden.output, absolute: 1e-6, relative: 2e-6) == nil)
    let upstream = golden.upstream.tensor
    let gradients = pullback(upstream).base
    #expect(gradients.count == golden.gradients.count)
    for (gradient, expected) in zip(gradients, golden.gradients) {
      #expect(difference(gradient, expected, absolute: 2e-6, relative: 4e-6) == nil)
    }
    let slopes = slopeDifference(
      { function($0, constants) }, at: inputs, upstream: upstream, gradients: gradients)
    #expect(slopes == nil)
    // A result that nothing depends on.
    #expect(pullback(.zero).base.allSatisfy { $0 == .zero })
  }

  @Test(arguments: try OperationsFile.load().losses)
  func losses(_ golden: OperationsFile.Loss) throws {
    func loss(_ logits: Tensor) -> Float {
      softmaxCrossEntropy(
        logits, labels: golden.labels, labelSmoothing: golden.smoothing,
        ignoredLabel: golden.ignored, divisor: golden.divisor)
    }
    let logits = golden.logits.tensor
    let (value, pullback) = valueWithPullback(at: logits) { logits in
      softmaxCrossEntropy(
        logits, labels: golden.labels, labelSmoothing: golden.smoothing,
        ignoredLabel: golden.ignored, divisor: golden.divisor)
    }
    #expect(abs(Double(value) - golden.value) <= 1e-6 * abs(golden.value))
    #expect(loss(logits) == value)
    let gradient = pullback(1)
    #expect(difference(gradient, golden.gradient, absolute: 1e-7) == nil)
    #expect(pullback(-0.5) == gradient * -0.5)
    let slopes = slopeDifference(
      { Tensor([loss($0[0])]) }, at: [logits], upstream: Tensor([1]), gradients: [gradient])
    #expect(slopes == nil)
  }
}
