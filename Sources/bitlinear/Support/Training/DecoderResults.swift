import BitCore
import BitFiles
import BitLM
import BitNN
import BitTraining

/// How the models of a finished training predict the texts to validate with.
struct DecoderResults {
  let job: DecoderJob
  let baseline: DecoderJob?
  /// Nil without texts to validate with.
  let measurements: Measurements?
  /// The length of the tensors of each model that was written.
  let bytes: (model: Int, packed: Int?, baseline: Int?)

  /// The models on the same windows.
  struct Measurements {
    /// The model as it was trained.
    let latent: DecoderEvaluation
    /// The same with packed layers.
    let packed: DecoderEvaluation?
    /// The packed folder, run as a language model.
    let language: DecoderEvaluation?
    let baseline: DecoderEvaluation?
  }

  /// Evaluates the models.
  init(_ job: DecoderJob, baseline: DecoderJob?) throws {
    (self.job, self.baseline) = (job, baseline)
    func size(_ folder: String?) throws(InputError) -> Int? {
      try folder.map { (name) throws(InputError) in
        try job.folder.byteCount("\(name)/model.safetensors")
      }
    }
    bytes = (
      try size(job.files.model) ?? 0, try job.hasCodes ? size(job.files.packed) : nil,
      try baseline == nil ? nil : size(DecoderJob.Files.baseline.model)
    )
    guard let windows = job.trainer.validation else {
      measurements = nil
      return
    }
    let model = job.trainer.fullStrengthModel
    measurements = Measurements(
      latent: try DecoderEvaluation.measure(model, on: windows),
      packed: job.hasCodes ? try DecoderEvaluation.measure(model.packed(), on: windows) : nil,
      language: try LanguageModel.load(path: job.resultPath).evaluation(on: windows),
      baseline: try baseline.map { try DecoderEvaluation.measure($0.trainer.model, on: windows) })
  }

  /// Whether latent and packed layers give the same loss, to the bit; nil if nothing is packed.
  var isPackedEqual: Bool? {
    guard let measurements else { return nil }
    return measurements.packed.map {
      $0.negativeLogLikelihood.bitPattern == measurements.latent.negativeLogLikelihood.bitPattern
    }
  }

  /// Whether the files that were written predict what the trained model does: the packed layers to the
  /// bit, and a language model of them up to the rounding of its own products.
  var areEqual: Bool {
    guard let measurements, let language = measurements.language else { return true }
    let ratio = language.loss / max(measurements.latent.loss, 1e-9)
    return isPackedEqual != false && abs(ratio - 1) < 0.01
  }

  /// The bits per character of the model over those of the baseline, less 1.
  var excessOverBaseline: Double? {
    guard let measurements, let baseline = measurements.baseline else { return nil }
    return measurements.latent.bitsPerCharacter / baseline.bitsPerCharacter - 1
  }

  /// The table for the terminal and the report; nil without texts to validate with.
  var table: TextTable? {
    guard let measurements else { return nil }
    func row(_ name: String, _ evaluation: DecoderEvaluation?, _ bytes: Int?) -> [String]? {
      evaluation.map {
        [
          name, NumberText.fixed($0.bitsPerCharacter, decimals: 4),
          NumberText.fixed($0.loss, decimals: 4), NumberText.fixed($0.perplexity, decimals: 3),
          bytes.map(NumberText.grouped) ?? "",
        ]
      }
    }
    let hasCodes = job.hasCodes
    return TextTable(
      header: ["Model", "Bits per character", "Loss", "Perplexity", "File bytes"],
      rows: [
        row(
          hasCodes ? "\(job.name), latent weights" : job.name, measurements.latent, bytes.model),
        row("\(job.name), packed", measurements.packed, bytes.packed),
        row(
          "\(job.name), run as a language model", measurements.language,
          hasCodes ? bytes.packed : bytes.model),
        row("float baseline", measurements.baseline, bytes.baseline),
      ].compactMap(\.self))
  }

  /// The table, whether the packed model predicts the same, and what to do next.
  var text: String {
    var text = table?.description ?? ""
    if let isPackedEqual {
      text +=
        isPackedEqual
        ? "The packed layers give the loss of the latent ones, to the last bit.\n"
        : "The packed layers' loss DIFFERS from that of the latent ones.\n"
    }
    if let excessOverBaseline {
      let percent = NumberText.percent(excessOverBaseline, decimals: 2)
      text += "Bits per character over those of the float baseline: \(percent)\n"
    }
    return text + "Model: \(job.resultPath)\n"
  }

  /// The results for programs.
  var json: JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    func integer(_ value: Int?) -> JSONValue { value.map { .integer(Int64($0)) } ?? .null }
    let last = job.trainer.history.points.last
    return [
      "recipe": .string(job.name), "parameters": integer(job.trainer.model.parameterCount),
      "steps": integer(job.trainer.stepCount),
      "tokens_per_second": number(last.map { Double($0.tokens) / max($0.seconds, 1e-9) }),
      "bits_per_character": number(measurements?.latent.bitsPerCharacter),
      "perplexity": number(measurements?.latent.perplexity),
      "packed_bits_per_character": number(measurements?.packed?.bitsPerCharacter),
      "packed_equal": isPackedEqual.map { .bool($0) } ?? .null,
      "language_model_bits_per_character": number(measurements?.language?.bitsPerCharacter),
      "baseline_bits_per_character": number(measurements?.baseline?.bitsPerCharacter),
      "baseline_tokens_per_second": number(
        baseline?.trainer.history.points.last.map { Double($0.tokens) / max($0.seconds, 1e-9) }),
      "excess_over_baseline": number(excessOverBaseline),
      "model_bytes": integer(bytes.model), "packed_bytes": integer(bytes.packed),
      "baseline_bytes": integer(bytes.baseline),
      "peak_memory_mib": .number(ProcessMemory.peakMiB),
      "threads": integer(ThreadPool.shared.limit), "kernel": .string(CPU.kernelName),
      "model": .string(job.resultPath),
    ]
  }
}

extension LanguageModel {
  /// How well the model predicts the texts of windows.
  fileprivate func evaluation(
    on windows: ValidationWindows
  ) throws(InputError) -> DecoderEvaluation {
    var (sum, size) = (0.0, TextSize())
    for window in windows {
      var reader = WindowReader(self, window.inputs)
      var row = 0
      while let logits = try reader.next(upTo: window.inputs.count) {
        for line in logits {
          let label = window.labels[row]
          row += 1
          guard label != TokenWindows.ignoredLabel else { continue }
          sum += try Perplexity.loss(of: label, line)
        }
      }
      size += window.size
    }
    return DecoderEvaluation(negativeLogLikelihood: sum, size: size)
  }
}
