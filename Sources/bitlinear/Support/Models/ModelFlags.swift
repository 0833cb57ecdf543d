import ArgumentParser
import BitCore
import BitFormats
import BitLM
import BitTraining

/// The options that say which language model to run, and how.
struct ModelFlags: ParsableArguments {
  @OptionGroup var model: ModelPathFlags

  @Option(
    name: [.short, .customLong("ctx-size")], parsing: .unconditional,
    help: ArgumentHelp(
      "The most tokens of a text; 0 for what the model was made for.", valueName: "n"))
  var contextSize = 0

  @OptionGroup var threads: ThreadFlag

  @Option(
    help: ArgumentHelp(
      """
      How the inputs of ternary and sign layers are rounded. (default: as the model was trained, \
      with 16 bits where that was with floats)
      """, valueName: "mode"))
  var activations: ActivationMode?

  @Option(
    name: [
      .customLong("cache-type"), .customLong("cache-type-k"),
      .customLong("ctk", withSingleDash: true),
    ],
    help: ArgumentHelp("How keys and values of attention are stored.", valueName: "type"))
  var cacheType: CachePrecision = .float16

  @Option(
    help: ArgumentHelp(
      "Layout of a GGUF file's I2_S tensors, if the file does not say.", valueName: "layout"))
  var i2sLayout: I2SLayoutOption?

  func validate() throws {
    try require("--ctx-size", [contextSize], in: 0...Int(Int32.max))
  }

  /// The path of the model.
  var path: String { model.path }

  /// How to load it.
  var options: LanguageModel.Options {
    LanguageModel.Options(
      activations: activations, cachePrecision: cacheType,
      contextLength: contextSize > 0 ? contextSize : nil,
      gguf: GGUFOptions(i2sLayout: i2sLayout?.layout))
  }

  /// Checks the environment and sets the number of threads; to be called before anything else.
  func prepare() throws(InputError) {
    try CPU.checkEnvironment()
    threads.apply()
  }

  /// Loads the model.
  func load() throws(InputError) -> LoadedModel { try load(options) }

  /// Loads the model in another way than the options say.
  func load(_ options: LanguageModel.Options) throws(InputError) -> LoadedModel {
    try LoadedModel(path: path, options: options)
  }
}
