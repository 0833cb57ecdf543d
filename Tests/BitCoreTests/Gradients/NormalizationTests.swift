import BitCore
import Testing

@Suite struct NormalizationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let norm: Normalization
    let shape: Shape
    let hasWeight: Bool
    let hasBias: Bool
    var testDescription: String {
      "\(norm.isCentered ? "centred" : "rms"), \(norm.groups) groups, \(shape)"
        + (hasWeight ? ", weight" : "") + (hasBias ? ", bias" : "")
    }
  }

  static let cases: [Case] = {
    let norms: [Normalization] = [
      .rms(), .rms(epsilon: 0.1), .layer(), .layer(epsilon: 0.1), .group(3), .group(12, epsilon: 1),
    ]
    let shapes: [Shape] = [[12], [4, 36], [2, 3, 24]]
    return norms.flatMap { norm in
      shapes.map { Case(norm: norm, shape: $0, hasWeight: false, hasBias: false) } + [
        Case(norm: norm, shape: [5, 12], hasWeight: true, hasBias: false),
        Case(norm: norm, shape: [5, 60], hasWeight: true, hasBias: true),
        Case(norm: norm, shape: [5, 12], hasWeight: false, hasBias: true),
      ]
    }
  }()

  @Test(arguments: cases)
  func `values and gradients`(test: Case) {
    let features = test.shape.features
    let x = random(test.shape, seed: 1)
    let weight = test.hasWeight ? random([features], seed: 2) : nil
    let bias = test.hasBias ? random([features], seed: 3) : nil
    let dy = random(test.shape, seed: 4)
    func reference(_ x: [Double], _ weight: [Double]?, _ bias: [Double]?) -> [Double] {
      DoubleReference.normalization(
        x, features: features, groups: test.norm.groups, isCentered: test.norm.isCentered,
        epsilon: Double(test.norm.epsilon), weight: weight, bias: bias)
    }
    func loss(_ x: [Double], _ weight: [Double]?, _ bias: [Double]?) -> Double {
      DoubleReference.dot(reference(x, weight, bias), dy.doubles)
    }

    let y = test.norm(x, weight: weight, bias: bias)
    #expect(y.shape == x.shape)
    let expected = reference(x.doubles, weight?.doubles, bias?.doubles)
    #expect(difference(y, expected, relativeToLargest: 1e-6) == nil)

    let gradients = test.norm.reverse(x, weight: weight, bias: bias, upstream: dy)
    #expect(gradients.input.shape == x.shape)
    let input = DoubleReference.gradient(at: x.doubles) { loss($0, weight?.doubles, bias?.doubles) }
    #expect(difference(gradients.input, input, relativeToLargest: 1e-4) == nil)
    #expect((gradients.weight != nil) == test.hasWeight)
    #expect((gradients.bias != nil) == test.hasBias)
    if let weight, let gradient = gradients.weight {
      let expected = DoubleReference.gradient(at: weight.doubles) {
        loss(x.doubles, $0, bias?.doubles)
      }
      #expect(gradient.shape == [features])
      #expect(difference(gradient, expected, relativeToLargest: 1e-4) == nil)
    }
    if let bias, let gradient = gradients.bias {
      let expected = DoubleReference.gradient(at: bias.doubles) {
        loss(x.doubles, weight?.doubles, $0)
      }
      #expect(gradient.shape == [features])
      #expect(difference(gradient, expected, relativeToLargest: 1e-4) == nil)
    }
  }

  @Test(
    arguments: [Normalization.rms(), .layer(), .group(2)], [2, 8, 14, 16, 18, 32, 34, 100, 784])
  func `any width`(norm: Normalization, width: Int) {
    // With a mean far from zero, a careless variance loses digits.
    let x = random([3, width]).scalars.map { $0 + 10 }
    let y = norm(Tensor(x, shape: [3, width]))
    let expected = DoubleReference.normalization(
      x.map { Double($0) }, features: width, groups: norm.groups, isCentered: norm.isCentered,
      epsilon: 1e-5, weight: nil, bias: nil)
    #expect(difference(y, expected, relativeToLargest: 2e-5) == nil)
  }

  @Test func `zero rows stay finite`() {
    for norm in [Normalization.rms(), .layer(), .group(2)] {
      let zeros = Tensor.zeros([2, 8])
      #expect(norm(zeros) == zeros)
      #expect(
        norm.reverse(zeros, upstream: random([2, 8])).input.scalars.allSatisfy { $0.isFinite })
    }
  }

  @Test func `empty tensors pass`() {
    #expect(Normalization.rms()(.zeros([0, 8])).shape == [0, 8])
    let gradients = Normalization.layer().reverse(
      .zeros([0, 8]), weight: .zeros([8]), upstream: .zeros([0, 8]))
    #expect(gradients.input.shape == [0, 8])
    #expect(gradients.weight == .zeros([8]))
  }
}
