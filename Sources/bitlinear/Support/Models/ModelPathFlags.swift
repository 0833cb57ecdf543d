import ArgumentParser

/// The model, as an argument or an option.
struct ModelPathFlags: ParsableArguments {
  @Argument(help: "A folder with a Hugging Face model, or a GGUF file.")
  var model: String?

  @Option(
    name: [.customShort("m"), .customLong("model")],
    help: ArgumentHelp("The same as the argument.", valueName: "path"))
  var modelPath: String?

  func validate() throws {
    guard model == nil || modelPath == nil else {
      throw ValidationError("Please provide the model as argument or with '--model', not both.")
    }
    guard let path = model ?? modelPath else {
      throw ValidationError("Missing expected argument '<model>'")
    }
    guard path != "" else { throw ValidationError("The path of the model is empty.") }
  }

  /// The path of the model.
  var path: String { model ?? modelPath ?? "" }
}
