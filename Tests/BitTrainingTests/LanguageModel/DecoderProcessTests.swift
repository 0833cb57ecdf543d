import BitCore
import BitNN
import TestSupport
import Testing

@testable import BitTraining

/// How a step is divided has no influence, or only that of rounding.
@Suite struct DecoderProcessTests {
  private static func trainer(
    _ group: ProcessGroup = .alone, batchSize: Int, accumulation: Int, recomputes: Bool = false,
    distills: Bool = false, recipe: QuantizationRecipe? = .b158WithoutNorm
  ) throws -> DecoderTrainer {
    var options = TinyDecoders.options(steps: 3)
    (options.batchSize, options.accumulation) = (batchSize, accumulation)
    if distills { options.distillation = .init(share: 0.5, temperature: 2) }
    var model = TinyDecoders.model(recipe, isBitNet: true)
    model.checkpointsActivations = recomputes
    return try DecoderTrainer(
      model, training: TinyDecoders.windows(TinyDecoders.tokens(TinyDecoders.documents())),
      validation: TinyDecoders.validation(), options: options,
      teacher: distills ? TinyDecoders.model(nil, seed: 7) : nil, group: group)
  }

  @Test(arguments: [false, true])
  func anyNumberOfProcessesGivesTheSameBits(distills: Bool) throws {
    var alone = try Self.trainer(batchSize: 1, accumulation: 4, distills: distills)
    try alone.run()
    for count in [2, 4] {
      let results = try inProcesses(count) { group in
        var trainer = try Self.trainer(group, batchSize: 1, accumulation: 4, distills: distills)
        let outcome = try trainer.run()
        #expect(outcome == .finished)
        return (values: trainer.model.parameters().map(\.value), history: trainer.history)
      }
      #expect(results.count == count)
      for result in results {
        #expect(result.values.count == alone.model.parameters().count)
        for (value, (name, own)) in zip(result.values, alone.model.parameters()) {
          #expect(sameBits(value, own), "\(name)")
        }
        #expect(result.history.withoutTimes == alone.history.withoutTimes)
      }
    }
  }

  @Test func processesStopTogether() throws {
    let steps = try inProcesses(2) { group in
      var trainer = try Self.trainer(group, batchSize: 1, accumulation: 2)
      // One of them alone is asked to.
      let outcome = try trainer.run(shouldStop: { group.rank == 1 })
      #expect(outcome == .interrupted)
      return trainer.stepCount
    }
    #expect(steps == [1, 1])
  }

  @Test func processesMustTrainTheSame() throws {
    // Each must notice, or some would wait for others that are gone.
    let errors = try inProcesses(2) { group in
      #expect(throws: InputError.self) {
        _ = try Self.trainer(group, batchSize: 1 + group.rank, accumulation: 2)
      }
    }
    for error in errors {
      let error = try #require(error)
      #expect(error.kind == .mismatch && "\(error)".contains("batch size"), "\(error)")
    }
  }

  @Test func processesMustDivideABatch() throws {
    _ = try inProcesses(2) { group in
      expectError(.mismatch, "2", "3") {
        _ = try Self.trainer(group, batchSize: 1, accumulation: 3)
      }
    }
  }

  @Test func accumulationIsALargerBatch() throws {
    // Float layers, since a code that just does not flip in one of the two is a large difference.
    var trainers = try [(8, 1), (4, 2), (1, 8)].map { size, parts in
      try Self.trainer(batchSize: size, accumulation: parts, recipe: nil)
    }
    for index in trainers.indices { try trainers[index].run() }
    let first = trainers[0]
    for other in trainers.dropFirst() {
      #expect(other.tokensPerStep == first.tokensPerStep)
      for (a, b) in zip(first.history.points, other.history.points) {
        #expect(abs(a.loss - b.loss) < 1e-5 * a.loss)
        #expect(abs(a.gradientNorm - b.gradientNorm) < 1e-4 * a.gradientNorm)
      }
      for (a, b) in zip(first.history.validations, other.history.validations) {
        #expect(abs(a.loss - b.loss) < 1e-4 * a.loss)
      }
    }
    #expect(first.history.validations.last != first.history.validations.first)
  }

  @Test func recomputedActivationsGiveTheSameBits() throws {
    var trainers = try [false, true].map { recomputes in
      try Self.trainer(batchSize: 2, accumulation: 2, recomputes: recomputes)
    }
    for index in trainers.indices { try trainers[index].run() }
    #expect(trainers[1].model.checkpointsActivations)
    #expect(sameParameters(trainers[0].model, trainers[1].model))
    #expect(trainers[0].history.withoutTimes == trainers[1].history.withoutTimes)
  }
}
