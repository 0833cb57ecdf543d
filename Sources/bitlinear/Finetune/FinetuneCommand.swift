import ArgumentParser
import BitCore
import BitFormats
import BitNN
import BitTokenizers
import BitTraining

struct FinetuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune",
    abstract: "Train a language model further, and make its layers ternary meanwhile.",
    discussion: """
      Takes a Hugging Face folder or a GGUF file with float, latent or packed weights. For ternary \
      layers the first validation is that of the model with its weights just quantized. The folder of --out receives \
      what train-lm writes there.

      With --distill, the model also learns from the probabilities that the model gives to each token \
      as it is stored, or those of another one with the same tokenizer (--teacher).
      """)

  @OptionGroup var model: ModelPathFlags
  @OptionGroup(title: "Texts") var texts: TextFlags

  @Option(help: "The linear layers: b158 (1.58 bits, ternary) or float.")
  var recipe = DecoderRecipeOption.b158

  @Flag(
    help: """
      Insert norms before the last projection of attention and of the feed-forward layer, as \
      BitNet's models have them. The model has to learn anew what they change.
      """)
  var subNorms = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Share of the teacher's probabilities in the loss, 0 (none) to 1.", valueName: "share"))
  var distill: Float = 0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What logits are divided by for the teacher's part.", valueName: "t"))
  var temperature: Float = 1

  @Option(
    help: ArgumentHelp(
      "The teacher, with the same tokenizer. (default: the model itself, as it is stored)",
      valueName: "path"))
  var teacher: String?

  @OptionGroup(title: "Training") var training: DecoderTrainingFlags
  @OptionGroup(title: "Results") var results: RunFlags

  @Flag(help: "Also tune the float model, for comparison.")
  var baseline = false

  func validate() throws {
    guard !baseline || recipe != .float else {
      throw ValidationError("'--baseline' needs a recipe other than float to compare with.")
    }
    guard (0...1).contains(distill) else {
      throw ValidationError(
        "The value '\(distill)' is invalid for '--distill'. Please provide a number from 0 to 1.")
    }
    try requirePositive("--temperature", temperature)
    guard teacher == nil || distill > 0 else {
      throw ValidationError("'--teacher' needs '--distill'.")
    }
  }

  func run() throws { try DecoderRun.inProcesses(train) }

  private func train(_ group: ProcessGroup) throws -> DecoderRun.Outcome {
    try results.checkFolder(for: group)
    let file = try ModelFile(path: model.path)
    if group.isFirst { file.warnings.forEach(Output.warn) }
    let configuration = try DecoderConfiguration(file)
    // Before the main training, which takes long.
    guard !baseline || configuration.activations == .float else {
      throw InputError(
        .unsupported, source: "--baseline", found: "a model of ternary layers",
        expected: "a float model, to be tuned as it is")
    }
    let teacherFile = try teacher.map { (path) throws(InputError) in try ModelFile(path: path) }
    let definition = try file.requiredTokenizerDefinition()
    guard texts.maxSeqLength <= configuration.contextLength else {
      throw InputError(
        .mismatch, source: "--max-seq-length", found: "\(texts.maxSeqLength) tokens",
        expected: "at most \(configuration.contextLength), for which the model was made")
    }
    let options = training.options(
      defaultRate: 2e-4,
      distillation: distill > 0
        ? DecoderTrainingOptions.Distillation(share: distill, temperature: temperature) : nil)
    try DecoderMemory(
      configuration, options: options, length: texts.maxSeqLength,
      recomputesActivations: training.gradCheckpoint,
      teacher: distill > 0 ? try teacherFile.map(DecoderConfiguration.init) ?? configuration : nil
    ).check(source: model.path)
    try checkTokenizer(of: teacherFile, definition)
    let cutter = try Tokenizer(definition)
    let data = try texts.read(cutter, seed: training.seed)
    let run = DecoderRun(
      title: "Fine-tuning \(model.path)", texts: texts, training: training, flags: results,
      options: options, tokenizer: definition)
    let float = { () throws(InputError) in
      DecoderRun.Candidate(name: "float", model: try DecoderModel(file, projections: .float))
    }
    return try run(
      group, data, { try candidate(file, teacherFile ?? file) }, baseline: baseline ? float : nil)
  }

  /// A teacher's probabilities mean nothing for tokens that are other texts to it.
  private func checkTokenizer(
    of teacher: ModelFile?, _ definition: TokenizerDefinition
  ) throws(InputError) {
    guard let other = try teacher?.tokenizerDefinition(), other.tokens != definition.tokens else {
      return
    }
    throw InputError(
      .mismatch, source: "--teacher", found: "a tokenizer of other tokens",
      expected: "those of \(model.path)")
  }

  private func candidate(
    _ file: ModelFile, _ teacherFile: ModelFile
  ) throws(InputError) -> DecoderRun.Candidate {
    var student = try DecoderModel(
      file, projections: recipe.quantization.map { .bitLinear($0) } ?? .float)
    if subNorms {
      guard student.configuration.family == .llama || student.configuration.hasSubNorms else {
        throw InputError(
          .unsupported, source: "--sub-norms",
          found: "a model of the family \(student.configuration.family.rawValue)",
          expected: "llama, or bitnet, which has them")
      }
      student = student.insertingSubNorms()
    }
    return DecoderRun.Candidate(
      name: recipe.rawValue, model: student,
      teacher: distill > 0 ? try DecoderModel(teacherFile, projections: .asStored) : nil)
  }
}
