import BitCore
import BitNN
import Foundation

@testable import BitTraining
@testable import bitlinear

/// Reports of invented but likely trainings of language models.
enum DecoderReportSample {
  /// A training whose loss falls to a floor.
  static func history(
    steps: Int = 3_000, floor: Double = 1.45, hasCodes: Bool = true, seed: UInt64 = 1
  ) -> DecoderTrainingHistory {
    var random = SeededGenerator(seed: seed)
    func noise(_ size: Double) -> Double { (Double(random.nextUniform()) - 0.5) * size }
    func loss(_ step: Double) -> Double {
      floor + 2.2 * exp(-step / 90) + 1.1 * exp(-step / 700)
    }
    var history = DecoderTrainingHistory()
    for step in stride(from: 10, through: steps, by: 10) {
      let time = Double(step)
      let rate = time < 100 ? 1.5e-3 * time / 100 : 1.5e-3 * (1 - time / Double(steps))
      history.points.append(
        DecoderTrainingHistory.Point(
          step: step, loss: loss(time) + noise(0.12), learningRate: rate,
          gradientNorm: (0.35 + 4 * exp(-time / 60)) * exp(noise(0.5)),
          flips: hasCodes ? rate * 6 * exp(noise(0.4)) : 0, tokens: step * 4_096,
          seconds: time * 0.31))
    }
    for step in stride(from: 0, through: steps, by: 200) {
      let loss = loss(Double(step)) + 0.06
      history.validations.append(
        DecoderTrainingHistory.Validation(
          step: step, loss: loss, bitsPerCharacter: loss / log(2) / 2.7))
      history.samples.append(
        DecoderTrainingHistory.Sample(
          step: step,
          text: step == 0
            ? "Once upon a time\u{0}\u{1B}[31m </div> ,,the\u{FFFD}\u{FFFD} 龍\u{301}\u{301}\t a a a a"
            : "Once upon a time, there was a little girl named Lily. She loved to play "
              + "outside in the park with her dog & <her> friends.\n\nOne day, after \(step) steps, "
              + "she said: \"Let's go!\" And they all went home."))
    }
    return history
  }

  static func report() -> DecoderReport {
    var report = DecoderReport(
      title: "A 1.58-bit language model learns to tell stories",
      command: [
        "/opt/bin/bitlinear", "train-lm", "--prompt", "Once upon a time", "--steps", "3000",
      ],
      name: "b158", history: history())
    report.highlights = [
      Fact(name: "Bits per character", value: "0.826", note: "float: 0.772"),
      Fact(name: "Packed model", value: "3.1 MB", note: "float32: 31.6 MB"),
      Fact(name: "Tokens per second", value: "13,200", note: "2 threads, AVX2 kernels"),
    ]
    report.facts = [
      Fact(name: "Model", value: "6 layers of width 256, vocabulary 4,096"),
      Fact(name: "Weights", value: "7,902,464"), Fact(name: "Seed", value: "42"),
    ]
    report.baseline = ("float", history(floor: 1.3, hasCodes: false, seed: 2))
    report.results = TextTable(
      header: ["Model", "Bits per character", "Perplexity", "File bytes"],
      rows: [
        ["b158, latent", "0.826", "4.70", "31,612,000"],
        ["b158, packed", "0.826", "4.70", "3,120,000"],
        ["float", "0.772", "4.12", "31,612,000"],
      ])
    return report
  }
}
