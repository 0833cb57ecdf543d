import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

@Suite struct DropoutTests {
  private let ones = Tensor(repeating: 1, shape: [200, 100])

  private func drop(_ layer: Dropout, _ x: Tensor, seed: UInt64) -> Tensor {
    Randomness.withRandomness(SeededGenerator(seed: seed)) { layer(x) }
  }

  @Test func isIdentityOutsideOfTraining() {
    let x = random([5, 7])
    #expect(sameBits(Dropout(0.5)(x), x))
    let (y, pullback) = Randomness.withoutRandomness {
      valueWithPullback(at: x) { Dropout(0.5)($0) }
    }
    #expect(sameBits(y, x))
    #expect(sameBits(pullback(x), x))
  }

  /// A loop written by hand has no training mode to forget.
  @Test func dropsWhileDerivativesAreTaken() {
    let (y, pullback) = valueWithPullback(at: ones) { Dropout(0.5)($0) }
    #expect(y.scalars.allSatisfy { $0 == 0 || $0 == 2 })
    #expect(abs(y.scalars.count { $0 == 0 } - 10_000) < 400)
    #expect(sameBits(pullback(ones), y))
    // The numbers are others in each step.
    #expect(valueWithPullback(at: ones) { Dropout(0.5)($0) }.value != y)
  }

  /// Dropout of the inputs, of which no derivative is taken, and of what comes after a layer.
  private struct Network: Layer {
    var inputs = Dropout(0.5)
    var layer: Linear
    var outputs = Dropout(0.5)

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor { outputs(layer(inputs(input))) }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("inputs", &inputs, gradient?.inputs)
      visit("layer", &layer, gradient?.layer)
    }
  }

  @Test(arguments: [true, false])
  func dropsInputsAndOutputsOfLayers(_ dropsInputs: Bool) {
    // Each output is an input, so that zeros show what was dropped.
    let identity = Tensor((0..<10_000).map { $0 / 100 == $0 % 100 ? 1 : 0 }, shape: [100, 100])
    var model = Network(layer: Linear(weight: identity))
    (dropsInputs ? { model.outputs = Dropout(0) } : { model.inputs = Dropout(0) })()
    #expect(sameBits(model(ones), ones))
    let (y, pullback) = valueWithPullback(at: model) { $0(ones) }
    #expect(y.scalars.allSatisfy { $0 == 0 || $0 == 2 })
    #expect(abs(y.scalars.count { $0 == 0 } - 10_000) < 400)
    // The gradient of the identity's diagonal counts what was kept, twice.
    let gradient = pullback(ones).layer.weight
    let kept = (0..<100).map { column in
      (0..<200).reduce(Float(0)) { $0 + y[$1, column] }
    }
    #expect((0..<100).map { gradient[$0, $0] } == kept)
  }

  @Test(arguments: [0.1, 0.5, 0.75] as [Float])
  func dropsItsShareAndScalesTheRest(_ probability: Float) {
    let y = drop(Dropout(probability), ones, seed: 1)
    #expect(y.shape == ones.shape)
    let dropped = y.scalars.count { $0 == 0 }
    #expect(abs(Float(dropped) / 20_000 - probability) < 0.02)
    #expect(y.scalars.allSatisfy { $0 == 0 || $0 == 1 / (1 - probability) })
  }

  @Test func probabilityZeroDropsNothing() {
    #expect(sameBits(drop(Dropout(0), ones, seed: 1), ones))
  }

  @Test func maskFollowsFromTheGenerator() {
    let first = drop(Dropout(0.5), ones, seed: 1)
    #expect(sameBits(first, drop(Dropout(0.5), ones, seed: 1)))
    #expect(!sameBits(first, drop(Dropout(0.5), ones, seed: 2)))
    // Two layers of one step have masks of their own.
    let both = Randomness.withRandomness(SeededGenerator(seed: 1)) {
      (Dropout(0.5)(ones), Dropout(0.5)(ones))
    }
    #expect(sameBits(both.0, first))
    #expect(!sameBits(both.0, both.1))
  }

  @Test func gradientIsMasked() {
    let x = random([6, 10], seed: 4)
    let upstream = random([6, 10], seed: 5)
    let (mask, y, gradient) = Randomness.withRandomness(SeededGenerator(seed: 3)) {
      let (y, pullback) = valueWithPullback(at: x) { Dropout(0.5)($0) }
      let mask = drop(Dropout(0.5), Tensor(repeating: 1, shape: [6, 10]), seed: 3)
      return (mask, y, pullback(upstream))
    }
    #expect(mask.scalars.contains(0) && mask.scalars.contains(2))
    #expect(sameBits(y, x * mask))
    #expect(sameBits(gradient, upstream * mask))
  }
}
