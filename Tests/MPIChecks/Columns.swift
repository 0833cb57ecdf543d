import BitCore
import BitNN
import BitTraining

/// A layer that is divided among the processes, and the same one undivided.
enum Columns {
  static func check(_ group: ProcessGroup) throws -> String {
    var generator = SeededGenerator(seed: 8)
    let layer = BitLinear(
      96, 64, groups: 4, bias: true, recipe: .b158, learnsNorm: true, using: &generator)
    let input = generator.normal([2, 5, 96])
    let upstream = generator.normal([2, 5, 64])
    let columns = try ColumnParallelBitLinear(layer, over: group)
    let (output, pullback) = valueWithPullback(at: columns, input) { $0($1) }
    let (_, inputGradient) = pullback(upstream)
    // The gradient of the input has the same bits in all processes, but not for all numbers.
    try group.requireEqual(Bits.text(inputGradient), "the gradient of the input")
    guard output == layer(input), try columns.whole().weight == layer.weight else {
      throw InputError(
        .mismatch, source: "\(group)", found: "another output",
        expected: "that of the undivided layer")
    }
    return Bits.text(output)
  }
}
