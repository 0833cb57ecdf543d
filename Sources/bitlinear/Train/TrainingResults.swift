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
    let model: MultilayerPerceptron<Linear>
    /// The length of the model's file.
    let bytes: Int
    private var rounds: [Evaluation] = []

    init(_ name: String, _ model: MultilayerPerceptron<Linear>, bytes: Int) {
      (self.name, self.model, self.bytes) = (name, model, bytes)
    }

    fileprivate mutating func addRound(_ trainer: Trainer<MultilayerPerceptron<Linear>>) {
      rounds.append(trainer.evaluate { model($0) })
    }

    var evaluation: Evaluation { rounds[0] }

    /// The median of the rounds.
    var samplesPerSecond: Double {
      let seconds = rounds.map(\.seconds).sorted()[rounds.count / 2]
      return Double(evaluation.predictions.count) / max(seconds, 1e-9)
    }
  }

  /// Evaluates the latent model, the packed one as it is read back from its file, and the float
  /// baseline; five times in turn, so that their speeds can be compared.
  static func measure(
    _ job: TrainingJob, baseline: TrainingJob?
  ) throws(InputError) -> TrainingResults {
    let recipe = job.network.recipe.rawValue
    var latent = Measurement(
      "\(recipe), float32 latent weights", job.trainer.model,
      bytes: try job.folder.byteCount(job.files.model))
    var packed: Measurement?
    if let file = job.files.packed, let model = try job.packedModel() {
      packed = Measurement("\(recipe), packed", model, bytes: try job.folder.byteCount(file))
    }
    var float: Measurement?
    if let baseline {
      float = Measurement(
        "float baseline", baseline.trainer.model,
        bytes: try baseline.folder.byteCount(baseline.files.model))
    }
    for _ in 0..<5 {
      latent.addRound(job.trainer)
      packed?.addRound(job.trainer)
      float?.addRound(job.trainer)
    }
    return TrainingResults(
      job: job, baseline: baseline, latent: latent, packed: packed, float: float)
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
