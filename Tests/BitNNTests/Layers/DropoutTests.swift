import BitCore
import BitFormats
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
    let (y, pullback) = valueWithPullback(at: x) { Dropout(0.5)($0) }
    #expect(sameBits(y, x))
    #expect(sameBits(pullback(ones), ones))
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
