import BitCore
import BitFiles
import BitNN
import BitTraining

/// How the models of a finished training do on the test set.
struct TrainingResults {
  let job: TrainingJob
  let baseline: TrainingJob?
  let latent: Measurement
  let packed: Measurement?
  let float: Measurement?

  /// One model on the test set.
  struct Measurement {
    let name: String
    let evaluation: Evaluation
    let bytes: Int
    let samplesPerSecond: Double
  }

  /// Evaluates the latent model, the packed one as it is read back from its file, and the float
  /// baseline; five times in turn, so that their speeds can be compared.
  static func measure(
    _ job: TrainingJob, baseline: TrainingJob?
  ) throws(InputError) -> TrainingResults {
    let models = [job.trainer.model, try job.packedModel(), baseline?.trainer.model]
    var rounds = [[Evaluation]](repeating: [], count: models.count)
    for _ in 0..<5 {
      for (index, model) in models.enumerated() {
        if let model { rounds[index].append(job.trainer.evaluate { model($0) }) }
      }
    }
    func measurement(_ name: String, _ rounds: [Evaluation], _ file: String) throws(InputError)
      -> Measurement
    {
      let seconds = rounds.map(\.seconds).sorted()[rounds.count / 2]
      return Measurement(
        name: name, evaluation: rounds[0], bytes: try job.folder.byteCount(file),
        samplesPerSecond: Double(rounds[0].predictions.count) / max(seconds, 1e-9))
    }
    let recipe = job.network.recipe.rawValue
    return TrainingResults(
      job: job, baseline: baseline,
      latent: try measurement("\(recipe), float32 latent weights", rounds[0], job.files.model),
      packed: rounds[1].isEmpty
        ? nil : try measurement("\(recipe), packed", rounds[1], job.files.packed),
      float: try baseline.map { (baseline) throws(InputError) in
        try measurement("float baseline", rounds[2], baseline.files.model)
      })
  }

  /// Whether latent and packed model predict the same class for every test sample; nil if there is
  /// no packed one.
  var predictionsEqual: Bool? {
    packed.map { $0.evaluation.predictions == latent.evaluation.predictions }
  }

  /// The table for the terminal and the report.
  var table: TextTable {
    TextTable(
      header: ["Model", "Test accuracy", "File bytes", "Smaller by", "Samples/s"],
      rows: [latent, packed, float].compactMap(\.self).map { model in
        [
          model.name, NumberText.percent(model.evaluation.accuracy, decimals: 2),
          NumberText.grouped(model.bytes),
          NumberText.fixed(Double(latent.bytes) / Double(max(1, model.bytes)), decimals: 1) + "x",
          NumberText.grouped(Int(model.samplesPerSecond)),
        ]
      })
  }

  /// The table, and whether the packed model predicts the same, each line ended by a newline.
  var text: String {
    let verdict = predictionsEqual.map {
      $0
        ? "Every prediction of the packed model equals that of the latent one.\n"
        : "The packed model's predictions DIFFER from those of the latent one.\n"
    }
    return table.description + (verdict ?? "")
  }

  /// The results for programs.
  var json: JSONValue {
    let epochs = job.trainer.history.epochs
    func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    return [
      "network": .string(job.network.summary),
      "recipe": .string(job.network.recipe.rawValue),
      "epochs": .integer(Int64(epochs.count)),
      "seed": Int64(exactly: job.trainer.options.seed).map { .integer($0) }
        ?? .string("\(job.trainer.options.seed)"),
      "test_accuracy": .number(latent.evaluation.accuracy),
      "packed_test_accuracy": number(packed?.evaluation.accuracy),
      "predictions_equal": predictionsEqual.map { .bool($0) } ?? .null,
      "baseline_test_accuracy": number(float?.evaluation.accuracy),
      "float_bytes": .integer(Int64(latent.bytes)),
      "packed_bytes": packed.map { .integer(Int64($0.bytes)) } ?? .null,
      "samples_per_second": .number(latent.samplesPerSecond),
      "packed_samples_per_second": number(packed?.samplesPerSecond),
      "baseline_samples_per_second": number(float?.samplesPerSecond),
      "epoch_seconds": .array(epochs.map { .number($0.seconds) }),
      "baseline_epoch_seconds": .array(
        baseline?.trainer.history.epochs.map { .number($0.seconds) } ?? []),
      "peak_memory_mib": .number(ProcessMemory.peakMiB),
      "threads": .integer(Int64(ThreadPool.shared.threads)),
      "kernel": .string(CPU.kernelName),
    ]
  }
}
