import BitBLAS
import Testing

@Suite struct LinearTests {
  @Test(arguments: [[7], [5, 7], [2, 3, 7]], [false, true])
  func `linear values and gradients`(extents: [Int], hasBias: Bool) {
    let x = random(Shape(extents), seed: 1)
    let (weight, bias) = (random([4, 7], seed: 2), hasBias ? random([4], seed: 3) : nil)
    let dy = random(x.shape.replacingFeatures(4), seed: 4)
    func loss(_ x: [Double], _ weight: [Double], _ bias: [Double]?) -> Double {
      DoubleReference.dot(
        DoubleReference.linear(x, weight: weight, bias: bias, inputs: 7), dy.doubles)
    }
    for matmul in [FloatMatmul.portable, .blas] {
      let y = LinearOperation.forward(x, weight: weight, bias: bias, matmul: matmul)
      #expect(y.shape == dy.shape)
      let expected = DoubleReference.linear(
        x.doubles, weight: weight.doubles, bias: bias?.doubles, inputs: 7)
      #expect(difference(y, expected, relativeToLargest: 1e-6) == nil)

      let gradients = LinearOperation.reverse(
        x, weight: weight, bias: bias, upstream: dy, matmul: matmul)
      let input = DoubleReference.gradient(at: x.doubles) {
        loss($0, weight.doubles, bias?.doubles)
      }
      let weightSlope = DoubleReference.gradient(at: weight.doubles) {
        loss(x.doubles, $0, bias?.doubles)
      }
      #expect(gradients.input.shape == x.shape)
      #expect(difference(gradients.input, input, relativeToLargest: 1e-4) == nil)
      #expect(gradients.weight.shape == [4, 7])
      #expect(difference(gradients.weight, weightSlope, relativeToLargest: 1e-4) == nil)
      #expect((gradients.bias != nil) == hasBias)
      if let bias, let gradient = gradients.bias {
        let slope = DoubleReference.gradient(at: bias.doubles) {
          loss(x.doubles, weight.doubles, $0)
        }
        #expect(difference(gradient, slope, relativeToLargest: 1e-4) == nil)
      }
      let withoutInput = LinearOperation.reverse(
        x, weight: weight, bias: bias, upstream: dy, wantsInput: false, matmul: matmul)
      #expect(withoutInput.input == .zero)
    }
  }

  @Test func `embedding rows and their gradient`() {
    let table = random([5, 3])
    let indices: [Int32] = [4, 0, 4, 2, 4]
    let y = EmbeddingLookup.forward(table, indices: indices)
    #expect(y.shape == [5, 3])
    for (row, index) in indices.enumerated() {
      #expect(y.rows(row..<row + 1).scalars == table.rows(Int(index)..<Int(index) + 1).scalars)
    }
    let dy = random([5, 3], seed: 8)
    let slope = DoubleReference.gradient(at: table.doubles) { table in
      DoubleReference.dot(
        indices.flatMap { table[Int($0) * 3..<Int($0) * 3 + 3] }, dy.doubles)
    }
    let gradient = EmbeddingLookup.reverse(table, indices: indices, upstream: dy)
    #expect(gradient.shape == [5, 3])
    #expect(difference(gradient, slope, relativeToLargest: 1e-4) == nil)
    #expect(gradient.rows(1..<2) == .zeros([1, 3]))
    #expect(EmbeddingLookup.forward(table, indices: []).shape == [0, 3])
  }

  @Test func `an index outside the table is refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = EmbeddingLookup.forward(.zeros([5, 3]), indices: [5])
    }
    expectMessage(result, "an index is outside 0..<5")
  }

  @Test func `a gradient that does not fit the lookup is refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = EmbeddingLookup.reverse(.zeros([5, 3]), indices: [1, 2], upstream: .zeros([1, 3]))
    }
    expectMessage(result, "a gradient of shape [1, 3] for [2, 3]")
  }
}
