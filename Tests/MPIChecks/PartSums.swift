import BitCore
import BitTraining

/// Sums of results whose rounding shows the order of addition.
enum PartSums {
  /// The bits of the sum of 24 parts, some of which lack a gradient.
  static func check(_ group: ProcessGroup) throws -> String {
    let range = try BatchParts(24).range(of: group)
    var sum = PartSum(count: range.count)
    for part in range { sum.add(result(of: part)) }
    var total = sum.total
    try group.sum(&total)
    return total.gradients.map { Bits.text($0) }.joined(separator: " ") + " \(total.sums)"
  }

  private static func result(of part: Int) -> PartResult {
    var generator = SeededGenerator(seed: 5, stream: UInt64(part))
    let gradients = [[3001], [7], [60, 100], [3]].map { (shape: Shape) in
      generator.normal(shape)
    }
    return PartResult(
      // The second tensor has a gradient in few parts, the last one in none.
      gradients: [
        gradients[0], part % 12 == 7 ? gradients[1] : .zero, gradients[2], .zero,
      ],
      sums: [Double(gradients[3][0]), 1])
  }
}

/// Bits of floats as short text.
enum Bits {
  /// The shape, and a checksum of FNV-1a over the bits of the values.
  static func text(_ tensor: Tensor) -> String {
    let hash = tensor.withSpan { values in
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325
      for i in values.indices {
        hash = (hash ^ UInt64(values[i].bitPattern)) &* 0x100_0000_01b3
      }
      return hash
    }
    return "\(tensor.shape):" + String(hash, radix: 16)
  }
}
