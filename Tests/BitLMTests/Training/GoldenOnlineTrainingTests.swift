import BitCore
import BitFiles
import BitFormats
import BitNN
import Testing
import _Differentiation

/// A folder of Hugging Face trained on, beside transformers and PyTorch's AdamW.
struct GoldenOnlineTrainingTests {
  private struct Training {
    let model: DecoderModel
    let tokens: [Int32]
    let labels: [Int32]
    let golden: JSONValue

    init() throws {
      let model = try #require(GoldenModel.all.first { $0.path == "tiny64-online-f32" })
      self.model = try model.decoder()
      golden = try #require(GoldenModel.json("tiny/models.json")["train"])
      let sequence: JSONValue = .array([try #require(golden["sequence"])])
      let tokens = try #require(GoldenModel.ids(sequence).first)
      self.tokens = tokens
      labels = tokens.dropFirst() + [-100]
    }

    func step(_ model: DecoderModel) -> (loss: Float, gradient: DecoderModel.TangentVector) {
      let (loss, pullback) = valueWithPullback(at: model) {
        $0.loss(tokens, labels: labels, positions: tokens.count)
      }
      return (loss, pullback(1))
    }
  }

  /// The values of every third row of matrices, and the norm of all.
  @Test func gradients() throws {
    let training = try Training()
    let (loss, gradient) = training.step(training.model)
    let expectedLoss = try #require(training.golden["loss"]?.doubleValue)
    #expect(abs(Double(loss) - expectedLoss) < 1e-5)
    let file = try SafetensorsFile(
      path: GoldenModel.tests.appendingPathComponent(
        "Golden/tiny/tiny64-online-f32/gradients.safetensors"
      ).path)
    var names: Set<String> = []
    var squares = 0.0
    training.model.forEachGradient(gradient) { name, gradient in
      names.insert(name)
      squares += gradient.scalars.reduce(0.0) { $0 + Double($1) * Double($1) }
      guard let expected = try? file.tensor(name) else { return }
      let sampled =
        gradient.shape.rank == 1
        ? gradient
        : gradient.gathered(
          stride(from: 0, to: gradient.shape[0], by: 3).map { Int32($0) }, axis: 0)
      #expect(sampled.shape == expected.shape)
      let distance = rootMeanSquare(sampled - expected)
      #expect(distance < 1e-4 * rootMeanSquare(expected) + 1e-6, "\(name)")
    }
    #expect(names == Set(file.tensors.map(\.name)))
    let norm = try #require(training.golden["grad_norm"]?.doubleValue)
    #expect(abs(squares.squareRoot() - norm) < 1e-4 * norm)
  }

  @Test func losses() throws {
    let training = try Training()
    let golden = try #require(training.golden["adamw"])
    let options = try ["lr", "eps", "weight_decay"].map { name in
      Float(try #require(golden[name]?.doubleValue))
    }
    let betas = try #require(golden["betas"]?.arrayValue?.compactMap { $0.doubleValue })
    var optimizer = AdamW(
      learningRate: options[0], beta1: Float(betas[0]), beta2: Float(betas[1]),
      epsilon: options[1], weightDecay: options[2])
    var model = training.model
    let losses = try #require(golden["losses"]?.arrayValue?.compactMap { $0.doubleValue })
    #expect(losses.count == 10)
    for (step, expected) in losses.enumerated() {
      let (loss, gradient) = training.step(model)
      #expect(abs(Double(loss) - expected) < 1e-3, "step \(step)")
      optimizer.update(&model, along: gradient)
    }
  }

  private func rootMeanSquare(_ x: Tensor) -> Double {
    let sum = x.scalars.reduce(0.0) { $0 + Double($1) * Double($1) }
    return (sum / Double(x.count)).squareRoot()
  }
}
