import BitCore
import Testing

@Suite struct ActivationTests {
  @Test(arguments: Activation.allCases)
  func `values and gradients`(activation: Activation) {
    let x = Tensor((-80...80).map { Float($0) * 0.1 + 0.037 }).reshaped([7, 23])
    let dy = random([7, 23])
    let expected = x.doubles.map { DoubleReference.activation(activation, $0) }
    #expect(difference(activation(x), expected, relativeToLargest: 1e-6) == nil)
    // Near zero too.
    let small = Tensor([-0.3, -0.1, -0.01, -1e-4, 1e-4, 0.01, 0.1, 0.3])
    let smallExpected = small.doubles.map { DoubleReference.activation(activation, $0) }
    #expect(difference(activation(small), smallExpected, relative: 1e-6) == nil)

    let gradient = activation.reverse(x, upstream: dy)
    let slope = DoubleReference.gradient(at: x.doubles) { values in
      DoubleReference.dot(
        values.map { DoubleReference.activation(activation, $0) }, dy.doubles)
    }
    #expect(gradient.shape == x.shape)
    #expect(difference(gradient, slope, relative: 1e-4, absolute: 1e-5) == nil)
  }

  @Test(arguments: Activation.allCases)
  func `zero, large values and NaN`(activation: Activation) {
    let x = Tensor([0, -1e4, 1e4, -200, 200])
    let y = activation(x)
    #expect(y[0] == 0)
    #expect(y[1] == 0 && y[3] == 0)
    #expect(y[2] == (activation == .squaredReLU ? 1e8 : 1e4))
    let gradient = activation.reverse(x, upstream: Tensor(repeating: 1, shape: [5]))
    #expect(gradient[1] == 0 && gradient[3] == 0)
    #expect(gradient[2] == (activation == .squaredReLU ? 2e4 : 1))
    #expect(gradient[0] == ([.relu, .squaredReLU].contains(activation) ? 0 : 0.5))
    #expect(activation(Tensor([.nan]))[0].isNaN)
  }
}
