import BitCore
import BitNN
import BitTraining

/// Training as in a loop of one's own: each step's batch is cut into parts, whose gradients are
/// added.
enum TinyTraining {
  /// The losses and the bits of the parameters after some steps.
  static func check(_ group: ProcessGroup) throws -> String {
    var generator = SeededGenerator(seed: 3)
    var model = MultilayerPerceptron([
      BitLinear(40, 72, bias: true, recipe: .b158, learnsNorm: true, using: &generator),
      BitLinear(72, 10, recipe: .b158, using: &generator),
    ])
    let range = try BatchParts(8).range(of: group)
    var losses: [Double] = []
    for step in 0..<4 {
      var sum = PartSum(count: range.count)
      for part in range { sum.add(result(of: part, step: step, model)) }
      var total = sum.total
      try group.sum(&total)
      losses.append(total.sums[0] / total.sums[1])
      var gradients = total.gradients.makeIterator()
      model.updateParameters { _, value, _ in
        if let gradient = gradients.next() { value = value - gradient * 0.05 }
      }
    }
    return "\(losses) " + model.parameters().map { Bits.text($0.value) }.joined(separator: " ")
  }

  private static func result(
    of part: Int, step: Int, _ model: MultilayerPerceptron<BitLinear>
  ) -> PartResult {
    var generator = SeededGenerator(seed: 4, stream: UInt64(8 * step + part))
    let inputs = generator.normal([6, 40])
    let labels = (0..<6).map { Int32(($0 + part) % 10) }
    let (loss, gradient) = valueWithGradient(at: model) { model in
      softmaxCrossEntropy(model(inputs), labels: labels)
    }
    var gradients: [Tensor] = []
    model.forEachGradient(gradient) { _, gradient in gradients.append(gradient) }
    return PartResult(gradients: gradients, sums: [Double(loss), 1])
  }
}
