import BitCore
import BitFormats
import BitTraining
import BitNN
import Foundation
import Testing

/// The code of the README with nothing but the module's public interface and one import.
@Suite struct ReadmeTests {
  struct MyModel: Layer {
    var linear = BitLinear(10, 20, recipe: .b158)

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor { linear(input) }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("linear", &linear, gradient?.linear)
    }
  }

  @Test func threeExamples() {
    var generator = SeededGenerator(seed: 0)
    let input = generator.normal([128, 10])

    let layer = BitLinear(10, 20)
    #expect(layer(input).shape == [128, 20])

    let grouped = BitLinear(10, 20, groups: 2)
    #expect(grouped(input).shape == [128, 20])

    #expect(MyModel()(input).shape == [128, 20])
  }

  @Test func trainingPackingAndReplacing() throws {
    var generator = SeededGenerator(seed: 0)
    let input = generator.normal([128, 10])
    var model = MyModel()
    let before = model
    var optimizer = AdamW(learningRate: 1e-3)
    let labels = [Int32](repeating: 7, count: 128)

    let (loss, gradient) = valueWithGradient(at: model) { model in
      softmaxCrossEntropy(model(input), labels: labels)
    }
    optimizer.update(&model, along: gradient)
    #expect(softmaxCrossEntropy(model(input), labels: labels) < loss)
    #expect(model.linear.weight != before.linear.weight)

    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "bitlinear-readme-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let csv = (0..<60).map { "\($0 % 2),\($0 % 2 * 9),1,2,3,4,5,6,7,8,\($0)" }
    try csv.joined(separator: "\n").write(
      to: folder.appendingPathComponent("my-data.csv"), atomically: true, encoding: .utf8)
    let data = try TrainTestData.load(path: folder.appendingPathComponent("my-data.csv").path)
    var trainer = Trainer(model, data: data, options: TrainingOptions(epochs: 1, batchSize: 10))
    try trainer.run()
    let packed = trainer.model.packed()
    let path = folder.appendingPathComponent("packed.safetensors").path
    try packed.save(to: path)
    var loaded = MyModel()
    try loaded.load(from: SafetensorsFile(path: path))
    #expect(loaded(input) == trainer.model(input))
  }

  /// Layers are values that threads may share.
  @Test func layersAreSendable() {
    func share(_ value: some Sendable) -> Bool { true }
    #expect(share(BitLinear(2, 2)) && share(Linear(2, 2)) && share(RMSNorm(2)))
    #expect(share(LayerNorm(2)) && share(GroupNorm(1, 2)) && share(Embedding(2, 2)))
    #expect(share(Dropout()) && share(MultilayerPerceptron([Linear(2, 2)])))
  }
}
