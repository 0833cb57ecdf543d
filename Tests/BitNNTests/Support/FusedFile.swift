import BitCore
import Testing

/// Outputs and gradients of fused operations; see Golden/generate_fused.py.
struct FusedFile: Decodable {
  struct Attention: Decodable, Sendable, CustomTestStringConvertible {
    let scale: Float?
    let queries, keys, values, output, upstream: GoldenTensor
    let gradients: [GoldenTensor]

    var testDescription: String { "scale \(scale.map { "\($0)" } ?? "of the length")" }
  }

  struct Loss: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let labels: [Int32]
    let divisor: Int?
    let share, temperature: Float?
    let teacher_hidden, teacher_weight: GoldenTensor?
    let hidden, weight: GoldenTensor
    let value: Double
    let gradients: [GoldenTensor]

    var testDescription: String { name }

    var teacher: OutputLossOperation.Teacher? {
      guard let share, let temperature, let teacher_hidden, let teacher_weight else { return nil }
      return OutputLossOperation.Teacher(
        hidden: teacher_hidden.tensor, weight: teacher_weight.tensor, share: share,
        temperature: temperature)
    }
  }

  struct Gate: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let gate, up, output, upstream: GoldenTensor
    let gradients: [GoldenTensor]

    var testDescription: String { name }
  }

  let attention: [Attention]
  let losses: [Loss]
  let gates: [Gate]

  static func load() throws -> FusedFile { try GoldenFile.load("fused") }
}
