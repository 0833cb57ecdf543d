@testable import BitCore

/// Matrices and activations for the tests of weights.
struct WeightSamples {
  var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  static var kernelSets: [KernelSet] {
    CPU.usableKernelNames.compactMap { KernelSet(named: $0) }
  }

  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float.random(in: -1..<1, using: &generator) }
  }

  mutating func tensor(_ shape: Shape) -> Tensor { Tensor(floats(shape.scalarCount), shape: shape) }

  /// Random bytes; the halves or floats in them are moderate.
  mutating func matrix(_ type: WeightType, rows: Int, columns: Int) throws -> WeightMatrix {
    let blocks = rows * columns / type.blockLength
    var bytes = (0..<blocks * type.blockBytes).map { _ in
      UInt8.random(in: 0...255, using: &generator)
    }
    for block in 0..<blocks {
      let (start, end) = (block * type.blockBytes, (block + 1) * type.blockBytes)
      switch type {
      case .float32, .bfloat16: bytes[end - 1] = 0x3e | bytes[end - 1] & 0x80
      case .float16, .q6_k: bytes[end - 1] = 0x34 | bytes[end - 1] & 0x80
      case .q8_0, .q4_0: bytes[start + 1] = 0x34
      case .q4_1: (bytes[start + 1], bytes[start + 3]) = (0x34, 0xb4)
      }
    }
    return try WeightMatrix(
      AlignedBuffer(bytes), type, rows: rows, columns: columns, source: "sample")
  }
}
