import BitTraining
import BitCore
import BitFormats
import BitNN
import Foundation

@testable import bitlinear

/// A report of invented but likely data, for tests of the page.
enum ReportSample {
  static let classNames = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
  ]

  static func content() -> ReportContent {
    var random = SeededGenerator(seed: 7)
    func noise(_ size: Double) -> Double { (Double(random.nextUniform()) - 0.5) * size }
    let epochs = 10
    let training = (1...epochs * 20).map { step in
      let x = Double(step) / 20
      return Curve.Point(x: x, y: 0.20 + 0.5 * exp(-x / 2.2) + 1.7 * exp(-x * 9) + noise(0.04))
    }
    func perEpoch(_ value: (Double) -> Double) -> [Curve.Point] {
      (1...epochs).map { Curve.Point(x: Double($0), y: value(Double($0)) + noise(0.006)) }
    }
    return ReportContent(
      title: "A 1.58-bit network learns Fashion-MNIST",
      summary: "Three BitLinear layers of weights −1, 0 and +1 recognise 88.9% of the test "
        + "pictures, 0.9 points less than the same network in float32, in a sixteenth of its size.",
      highlights: [
        Fact(name: "Test accuracy", value: "88.9%", note: "float32: 89.8%"),
        Fact(name: "Packed weights", value: "168 kB", note: "float32: 2.68 MB"),
        Fact(name: "Training time", value: "58 s", note: "10 epochs on 2 threads"),
        Fact(name: "Packed = trained", value: "identical", note: "all 10,000 answers, bit for bit"),
      ],
      facts: [
        Fact(name: "Network", value: "784-512-512-10"),
        Fact(name: "Recipe", value: "b1.58: ternary, int8 per token, RMSNorm"),
        Fact(name: "Parameters", value: NumberText.grouped(669_706)),
        Fact(name: "Optimizer", value: "AdamW, 0.001, cosine"),
        Fact(name: "Epochs", value: "10, batches of 128"),
        Fact(name: "Seed", value: "42"),
        Fact(name: "Date", value: "2025-11-02 14:31 UTC"),
        Fact(name: "CPU", value: "AMD EPYC 7R13, 2 threads, AVX2"),
        Fact(
          name: "Command",
          value: "bitlinear train --data fashion-mnist --epochs 10 --seed 42 --output run",
          isCode: true),
      ],
      charts: [
        .loss([
          Curve(name: "training", points: training),
          Curve(name: "test", points: perEpoch { 0.315 + 0.28 * exp(-$0 / 1.9) }),
          Curve(
            name: "test, float32", points: perEpoch { 0.295 + 0.22 * exp(-$0 / 1.6) },
            isBaseline: true),
        ]),
        .accuracy([
          Curve(name: "training", points: perEpoch { 0.926 - 0.14 * exp(-$0 / 2.6) }),
          Curve(name: "test", points: perEpoch { 0.889 - 0.12 * exp(-$0 / 1.7) }),
          Curve(
            name: "test, float32", points: perEpoch { 0.898 - 0.08 * exp(-$0 / 1.5) },
            isBaseline: true),
        ]),
      ],
      chartNote: "The test set is not trained on.",
      results: TextTable(
        header: ["Model", "Test accuracy", "Test loss", "Weights", "Pictures a second"],
        rows: [
          ["float32", "89.8%", "0.295", "2.68 MB", "41,200"],
          ["b1.58, training layers", "88.9%", "0.315", "2.68 MB", "36,900"],
          ["b1.58, packed", "88.9%", "0.315", "168 kB", "173,500"],
        ]),
      layers: [
        LayerCodes(name: "layers.0", minusOnes: 118_000, zeros: 163_408, plusOnes: 120_000),
        LayerCodes(name: "layers.1", minusOnes: 81_012, zeros: 101_987, plusOnes: 79_145),
        LayerCodes(name: "layers.2", minusOnes: 2_310, zeros: 1_050, plusOnes: 1_760),
      ], confusion: confusion(), pictures: pictures(count: 40))
  }

  static func confusion() -> ConfusionMatrix {
    ConfusionMatrix(
      classNames: classNames,
      counts: [
        [838, 2, 16, 20, 4, 1, 110, 0, 9, 0], [3, 974, 1, 15, 3, 0, 3, 0, 1, 0],
        [15, 1, 815, 12, 87, 0, 68, 0, 2, 0], [19, 7, 9, 897, 33, 0, 31, 0, 4, 0],
        [0, 1, 84, 29, 824, 0, 59, 0, 3, 0], [0, 0, 0, 1, 0, 965, 0, 22, 1, 11],
        [118, 1, 77, 25, 65, 0, 702, 0, 12, 0], [0, 0, 0, 0, 0, 16, 0, 963, 0, 21],
        [4, 1, 4, 4, 4, 2, 4, 4, 973, 0], [0, 0, 0, 0, 0, 7, 1, 41, 0, 951],
      ])
  }

  /// Pictures of soft shapes; every tenth is taken for the next class.
  static func pictures(count: Int) -> [ReportPicture] {
    var random = SeededGenerator(seed: 3)
    return (0..<count).map { index in
      let kind = index % 10
      var pixels = [UInt8](repeating: 0, count: 784)
      for y in 0..<28 {
        for x in 0..<28 where isInside(kind, Double(x) - 13.5, Double(y) - 13.5) {
          let weave = 40 * sin(Double(x * (kind + 2)) / 5) + 30 * Double(random.nextUniform())
          pixels[y * 28 + x] = UInt8(min(max(170 + weave - Double(y), 0), 255))
        }
      }
      let isWrong = index % 10 == (index / 10 * 3 + 6) % 10
      return ReportPicture(
        width: 28, height: 28, pixels: pixels,
        predicted: classNames[isWrong ? (kind + 4) % 10 : kind], actual: classNames[kind],
        confidence: isWrong ? 0.54 : 0.8 + 0.2 * Double(random.nextUniform()))
    }
  }

  private static func isInside(_ kind: Int, _ x: Double, _ y: Double) -> Bool {
    switch kind {
    case 1: return abs(y) < 13 && abs(x) < 6 && (y < -7 || abs(x) > 1)
    case 3: return abs(y) < 13 && abs(x) < 3 + (y + 13) / 6
    case 5, 7: return y > -3 && y < 5 && abs(x) < 13 && y > -x / 3 - 2
    case 8: return (y > -3 && y < 11 && abs(x) < 12) || (abs(abs(x) - 6) < 1 && y > -9 && y < 0)
    case 9: return (abs(x + 5) < 5 && y > -12 && y < 9) || (y > 1 && y < 9 && abs(x) < 12)
    default: return (abs(x) < 7 && abs(y) < 13) || (y < -5 && y > -13 && abs(x) < 18 + y * 0.4)
    }
  }
}
