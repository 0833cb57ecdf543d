import ArgumentParser
import BitCore
import BitFormats
import BitNN
import BitTokenizers
import BitTraining

struct TrainLMCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train-lm", abstract: "Train a language model of BitLinear layers from texts.",
    discussion: """
      Begins with random weights. The folder of --out receives a checkpoint, the model with its \
      latent weights (model) and packed (packed), both in Hugging Face's format with the tokenizer, \
      metrics.jsonl, report.html and curves.svg; files of an earlier run there are replaced, if it \
      came to its end. Ctrl-C saves a checkpoint, from which --resume continues to the same bits.

      A program that is built with --traits MPI shares the batches of each step among the processes \
      that mpirun starts. Their number, a power of two that divides --grad-accumulation-steps, has no \
      influence on the model. SIGUSR1, which mpirun passes on, \
      stops them as Ctrl-C stops one.
      """)

  @OptionGroup(title: "Texts") var texts: TextFlags

  @Option(
    help: ArgumentHelp(
      """
      What cuts texts into tokens: bytes, or a folder or tokenizer.json, such as tokenize --train \
      makes.
      """, valueName: "path"))
  var tokenizer = "bytes"

  @OptionGroup(title: "Model") var model: DecoderFlags
  @OptionGroup(title: "Training") var training: DecoderTrainingFlags
  @OptionGroup(title: "Results") var results: RunFlags

  @Flag(help: "Also train a float model of the same shape, for comparison.")
  var baseline = false

  func validate() throws {
    guard !baseline || model.recipe != .float else {
      throw ValidationError("'--baseline' needs a recipe other than float to compare with.")
    }
  }

  func run() throws { try DecoderRun.inProcesses(train) }

  private func train(_ group: ProcessGroup) throws -> DecoderRun.Outcome {
    try results.checkFolder(for: group)
    var definition =
      tokenizer == "bytes" ? TokenizerDefinition.bytes : try TokenizerDefinition(path: tokenizer)
    if group.isFirst { definition.warnings.forEach(Output.warn) }
    let cutter = try Tokenizer(definition)
    let options = training.options(defaultRate: 1.5e-3)
    let configuration = try model.configuration(
      vocabulary: cutter.vocabularySize, context: texts.maxSeqLength,
      ends: cutter.endOfGeneration.map(Int.init).sorted(), begin: cutter.beginOfText.map(Int.init))
    try DecoderMemory(
      configuration, options: options, length: texts.maxSeqLength,
      recomputesActivations: training.gradCheckpoint
    ).check(source: "train-lm")
    let data = try texts.read(cutter, seed: training.seed)
    definition.source = tokenizer
    func candidate(_ recipe: DecoderRecipeOption) -> DecoderRun.Candidate {
      var generator = SeededGenerator(seed: training.seed)
      return DecoderRun.Candidate(
        name: recipe.rawValue,
        model: DecoderModel(configuration, recipe: recipe.quantization, using: &generator))
    }
    let run = DecoderRun(
      title: "Training a \(model.family.rawValue) model with \(model.recipe.rawValue) layers",
      texts: texts,
      training: training, flags: results, options: options, tokenizer: definition)
    return try run(
      group, data, { candidate(model.recipe) }, baseline: baseline ? { candidate(.float) } : nil)
  }
}
