// As a user's own model has it: from BitNN alone.
import BitNN
import TestSupport
import Testing

@Suite struct GateActivationTests {
  @Test func everyKindHasItsNumbers() throws {
    #expect(
      try FusedFile.load().gates.map(\.name).sorted()
        == GateActivation.allCases.map(\.rawValue).sorted())
  }

  @Test(arguments: try FusedFile.load().gates)
  func valuesAndGradients(_ golden: FusedFile.Gate) throws {
    let activation = try #require(GateActivation(rawValue: golden.name))
    let inputs = [golden.gate, golden.up].map(\.tensor)
    let (output, pullback) = valueWithPullback(at: inputs[0], inputs[1]) { activation($0, $1) }
    #expect(difference(output, golden.output, absolute: 1e-6, relative: 1e-6) == nil)
    let upstream = golden.upstream.tensor
    let gradients = pullback(upstream)
    for (gradient, expected) in zip([gradients.0, gradients.1], golden.gradients) {
      #expect(difference(gradient, expected, absolute: 1e-6, relative: 1e-6) == nil)
    }
    let slopes = slopeDifference(
      { activation($0[0], $0[1]) }, at: inputs, upstream: upstream,
      gradients: [gradients.0, gradients.1])
    #expect(slopes == nil)
    #expect(pullback(.zero) == (.zero, .zero))
  }

  /// Many values equal few, whatever their place among the others.
  @Test(arguments: GateActivation.allCases)
  func placesDoNotMatter(_ activation: GateActivation) {
    let count = 2500
    let (gate, up) = (random([count], seed: 1, scale: 30), random([count], seed: 2))
    let (output, pullback) = valueWithPullback(at: gate, up) { activation($0, $1) }
    let upstream = random([count], seed: 3)
    let gradients = pullback(upstream)
    for place in [0, 7, 1023, 1024, 2047, 2499] {
      let range = place..<place + 1
      let (value, one) = valueWithPullback(
        at: gate.sliced(axis: 0, range), up.sliced(axis: 0, range)
      ) { activation($0, $1) }
      let expected = one(upstream.sliced(axis: 0, range))
      #expect(sameBits(value, output.sliced(axis: 0, range)))
      #expect(sameBits(expected.0, gradients.0.sliced(axis: 0, range)))
      #expect(sameBits(expected.1, gradients.1.sliced(axis: 0, range)))
    }
  }
}
