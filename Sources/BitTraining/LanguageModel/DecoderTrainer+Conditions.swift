import BitBLAS
import BitCore
import BitFormats
import BitNN

/// What a run depends on, and the checks that it is as it must be.
extension DecoderTrainer {
  /// All that the result depends on, as text.
  var conditions: [(name: String, value: String)] {
    let frozen = model.frozenNames
    return options.fingerprint + dataConditions + Self.conditions(model.configuration) + [
      ("optimizer", optimizer.settings),
      ("frozen parameters", frozen.isEmpty ? "none" : frozen.joined(separator: " ")),
    ] + model.quantizationSummary.map { ("layer \($0.name)", $0.value) }
  }

  static func conditions(
    _ training: TokenWindows, _ validation: ValidationWindows?, teacher: DecoderModel?
  ) -> [(name: String, value: String)] {
    func text(_ tokens: TokenDataset, _ length: Int) -> String {
      "\(tokens.count) tokens in windows of \(length), checksum \(tokens.checksum)"
    }
    return [
      ("training texts", text(training.dataset, training.length)),
      (
        "validation texts",
        validation.map { "\($0.count) windows of \(text($0.dataset, $0.length))" } ?? "none"
      ),
      ("teacher", teacher.map { "checksum \(checksum(of: $0))" } ?? "none"),
    ]
  }

  static func checksum(of model: DecoderModel) -> String {
    var checksum = Checksum()
    for (name, value) in model.parameters() {
      checksum.add(name)
      checksum.add(value)
    }
    return checksum.text
  }

  /// What any model of this trainer is; which one, the conditions say field by field, so that an
  /// error names the one that differs.
  static let architecture = "language model"

  private static func conditions(
    _ configuration: DecoderConfiguration
  ) -> [(name: String, value: String)] {
    Mirror(reflecting: configuration).children.map { child in
      ("model's \(child.label ?? "")", "\(child.value)")
    }
  }

  func checkInputs(_ given: DecoderModel?) throws(InputError) {
    let vocabulary = model.configuration.vocabularySize
    for tokens in [training.dataset, validation?.dataset].compactMap(\.self)
    where tokens.vocabularySize > vocabulary {
      throw InputError(
        .mismatch, source: tokens.name, found: "a tokenizer of \(tokens.vocabularySize) tokens",
        expected: "at most \(vocabulary), the vocabulary of the model")
    }
    let context = model.configuration.contextLength
    guard max(training.length, validation?.length ?? 0) <= context else {
      throw InputError(
        .mismatch, source: training.dataset.name, found: "windows of \(training.length) tokens",
        expected: "at most \(context), for which the model was made")
    }
    guard options.patience == nil || validation != nil else {
      throw InputError(
        .missing, source: "training", found: "no texts to validate with",
        expected: "some, since validations without a better loss are to end the training")
    }
    if options.distillation != nil {
      guard let given else {
        throw InputError(
          .missing, source: "training", found: "no teacher", expected: "one to imitate")
      }
      guard given.configuration.vocabularySize == vocabulary else {
        throw InputError(
          .mismatch, source: "training",
          found: "a teacher of \(given.configuration.vocabularySize) tokens",
          expected: "\(vocabulary), as the model has")
      }
      guard given.configuration.contextLength >= training.length else {
        throw InputError(
          .mismatch, source: "training",
          found: "a teacher made for \(given.configuration.contextLength) tokens",
          expected: "at least \(training.length), the length of windows")
      }
    }
    precondition(training.seed == options.seed, "windows of seed \(training.seed)")
    _ = try BatchParts(options.accumulation).range(of: group)
  }

  /// Checks that all processes train the same.
  func checkProcesses() throws(InputError) {
    for (name, value) in conditions { try group.requireEqual(value, name) }
    try group.requireEqual(Self.checksum(of: model), "the weights")
    try group.requireEqual(FloatMatmul.blasName, "the BLAS")
  }
}
