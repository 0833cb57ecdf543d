import Foundation
import Testing

/// Texts and options for trainings of language models that take moments.
enum TinyTexts {
  /// Sentences of a few words in an order that is not regular, of some thousand bytes.
  static var text: String {
    let words = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "dogs"]
    return (0..<400).map { words[$0 * $0 * 7 % 97 % words.count] }.joined(separator: " ") + ".\n"
  }

  /// Writes the text and returns its path.
  static func write(in folder: TemporaryFolder) throws -> String {
    try folder.write("text.txt", text)
  }

  /// Arguments of `bitlinear train-lm`; later ones override earlier ones.
  static func trainArguments(
    data: String, out: String, iters: Int = 6, _ more: [String] = []
  ) -> [String] {
    [
      "train-lm", "--data", data, "--out", out, "--hidden-size", "32", "--num-heads", "2",
      "--num-layers", "1", "--intermediate-size", "32", "--iters", "\(iters)",
    ] + short + more
  }

  /// Arguments of `bitlinear finetune`.
  static func finetuneArguments(
    _ model: String, data: String, out: String, iters: Int = 3, _ more: [String] = []
  ) -> [String] {
    ["finetune", model, "--data", data, "--out", out, "--iters", "\(iters)"] + short + more
  }

  private static let short = [
    "--max-seq-length", "16", "--batch-size", "2", "--steps-per-eval", "2", "--steps-per-report",
    "2", "--sample-tokens", "8",
  ]
}
