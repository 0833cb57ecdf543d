import BitCore
import Testing

/// The code of the article "Exactness".
@Suite struct ExactnessCode {
  @Test func aTokenAloneAndInABatch() throws {
    // Exactness.md, block 1
    var generator = SeededGenerator(seed: 0)
    let weights = generator.normal([64, 256])
    let matrix = QuantizationRecipe.b158.weightQuantizer.quantize(weights, groups: 1)
    let layer = try PackedBitLinear(matrix: matrix, recipe: .b158)

    let tokens = (0..<8).map { _ in generator.normal([1, 256]) }
    let batch = Tensor(tokens.flatMap(\.scalars), shape: [8, 256])
    let alone = tokens.flatMap { layer($0).scalars }
    print(layer(batch).scalars == alone)  // true
    // End of block 1
    #expect(layer(batch).scalars == alone)
  }
}
