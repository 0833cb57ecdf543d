@testable import BitConversion
import BitCore
import BitFormats
import Foundation
import Testing

/// Which type a conversion chooses, and what it says about it.
@Suite struct ConversionChoiceTests {
  private func reason(
    _ kind: ScaleKind, _ scales: [Float], to name: String, type: ConversionType? = nil
  ) throws -> (type: ConversionType, reason: String) {
    try withTemporaryFolder { folder in
      let path = "\(folder)/a.safetensors"
      try ConversionSample(scaleKind: kind, scales: scales).writePacked(path)
      let conversion = try Conversion(
        ModelFile(path: path), to: "\(folder)/\(name)", options: ConversionOptions(type: type))
      return (conversion.type, conversion.reason)
    }
  }

  @Test func theReasonNamesWhatDoesNotFit() throws {
    let exact = try reason(.tensor, [0.5], to: "b.gguf")
    #expect(exact.type == .tq2_0 && exact.reason == "it holds every code and scale exactly")
    let inexact = try reason(.tensor, [0.1], to: "b.gguf")
    #expect(inexact.type == .i2_s)
    #expect(inexact.reason.hasPrefix("because tq2_0 cannot hold it: "))
    #expect(inexact.reason.contains("found the scale 0.1 of row 0, block 0"))
    let packed = try reason(.tensor, [0.5], to: "b.safetensors")
    #expect(packed.type == .bitlinear && packed.reason == "the layers are packed so already")
    let asked = try reason(.tensor, [0.5], to: "b.gguf", type: .tq1_0)
    #expect(asked.type == .tq1_0 && asked.reason == "as asked")
  }

  /// The summary says of every layout of scales what a look at every weight says.
  @Test(arguments: [
    ScaleKind.tensor, .groups(2), .row, .block(columns: 64), .block(columns: 128),
    .block(columns: 256),
  ])
  func summariesAgreeWithTheWeights(kind: ScaleKind) throws {
    let (rows, columns) = (4, 512)
    let layout = ScaleLayout(kind, rows: rows, columns: columns)
    for seed in 0..<8 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let scales = (0..<layout.count).map { _ -> Float in
        seed < 2
          ? 0.5 : [0.5, 0.25, 0.1][Int.random(in: 0..<(seed < 5 ? 2 : 3), using: &generator)]
      }
      // Whole blocks of zeros, whose scales have no meaning.
      var codes = randomCodes(rows * columns, seed: seed + 20)
      for block in 0..<rows * columns / 64 where Bool.random(using: &generator) {
        for index in 64 * block..<64 * (block + 1) { codes[index] = 0 }
      }
      let tensor = try CodedTensor(
        codes: codes, rows: rows, columns: columns, scaleKind: kind, scales: scales, source: "t")
      let summary = try ScaleSummary(tensor)
      func scalesUsed(_ weights: [Int]) -> Set<Float> {
        Set(
          weights.filter { codes[$0] != 0 }.map {
            scales[layout.index(row: $0 / columns, column: $0 % columns)]
          })
      }
      let used = scalesUsed(Array(0..<rows * columns))
      #expect((summary.difference == nil) == (used.count <= 1))
      #expect(summary.common == (used.count > 1 ? nil : used.first ?? 1))
      #expect((summary.inexactHalf == nil) == !used.contains(0.1))
      for length in ScaleSummary.blockLengths {
        let isUniform = (0..<rows * columns / length).allSatisfy {
          scalesUsed(Array(length * $0..<length * ($0 + 1))).count <= 1
        }
        #expect((summary.differenceInBlock[length] == nil) == isUniform, "\(length)")
      }
    }
  }
}
