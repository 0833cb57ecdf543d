import BitCore
import BitFiles
import BitTraining
import BitNN

/// What `train` found out at its end: how the latent and the packed model do on the test samples.
struct TrainingResults {
  let job: TrainingJob
  let baseline: TrainingJob?
  let latent: Measurement
  let packed: Measurement?
  let float: Measurement?

  /// One model on the test samples.
  struct Measurement {
    let evaluation: Evaluation
    let bytes: Int
    let samplesPerSecond: Double
  }

  /// Evaluates the models, several times in turn for the speed.
  init(_ job: TrainingJob, baseline: TrainingJob?) throws {
    self.job = job
    self.baseline = baseline
    let model = job.trainer.model
    let packedModel = try job.packedModel()
    let floatModel = baseline?.trainer.model
    var latentRounds: [Evaluation] = []
    var packedRounds: [Evaluation] = []
    var floatRounds: [Evaluation] = []
    for _ in 0..<5 {
      latentRounds.append(job.trainer.evaluate { model($0) })
      if let packedModel {
        packedRounds.append(job.trainer.evaluate { packedModel($0) })
      }
      if let floatModel {
        floatRounds.append(job.trainer.evaluate { floatModel($0) })
      }
    }
    func measurement(_ rounds: [Evaluation], _ bytes: Int) -> Measurement? {
      let seconds = rounds.map(\.seconds).sorted()
      guard let first = rounds.first else { return nil }
      let speed = Double(first.predictions.count) / max(seconds[seconds.count / 2], 1e-9)
      return Measurement(evaluation: first, bytes: bytes, samplesPerSecond: speed)
    }
    guard let latent = measurement(latentRounds, job.folder.bytes(job.files.model)) else {
      preconditionFailure("every run evaluates the latent model")
    }
    self.latent = latent
    packed = measurement(packedRounds, job.folder.bytes(job.files.packed))
    float = measurement(
      floatRounds, baseline.map { $0.folder.bytes($0.files.model) } ?? 0)
  }

  /// Whether latent and packed model take every test sample for the same class; nil if there is no
  /// packed one.
  var predictionsEqual: Bool? {
    packed.map { $0.evaluation.predictions == latent.evaluation.predictions }
  }

  /// The models that were compared, by name.
  private var rows: [(name: String, measurement: Measurement)] {
    let recipe = job.network.recipe.rawValue
    return [
      ("\(recipe), float32 latent weights", latent),
      packed.map { ("\(recipe), packed", $0) },
      float.map { ("float baseline", $0) },
    ].compactMap(\.self)
  }

  /// The table for the terminal and the report.
  var textTable: TextTable {
    TextTable(
      header: ["Model", "Test accuracy", "File bytes", "Smaller by", "Samples/s"],
      rows: rows.map { name, measurement in
        [
          name, NumberText.percent(measurement.evaluation.accuracy, decimals: 2),
          NumberText.grouped(measurement.bytes),
          NumberText.fixed(Double(latent.bytes) / Double(max(1, measurement.bytes)), decimals: 1)
            + "x",
          NumberText.grouped(Int(measurement.samplesPerSecond)),
        ]
      })
  }

  /// The table, and whether the packed model says the same, each line ended by a newline.
  var table: String {
    let verdict =
      predictionsEqual.map {
        $0
          ? "Every prediction of the packed model equals that of the latent one.\n"
          : "The packed model's predictions DIFFER from those of the latent one.\n"
      } ?? ""
    return textTable.description + verdict
  }

  /// The result for programs.
  var json: JSONValue {
    let epochs = job.trainer.history.epochs
    func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    func integer(_ value: Int?) -> JSONValue { value.map { .integer(Int64($0)) } ?? .null }
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
      "packed_bytes": integer(packed?.bytes),
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
