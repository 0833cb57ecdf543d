import ArgumentParser

/// The model, as an argument or an option.
struct ModelPathFlags: ParsableArguments {
  @OptionGroup var given: OptionalModelPathFlags

  func validate() throws {
    guard given.path != nil else { throw Self.missing }
  }

  /// What is wrong without a model.
  static var missing: ValidationError { ValidationError("Missing expected argument '<model>'") }

  /// The path of the model.
  var path: String { given.path ?? "" }
}

/// The model, as an argument or an option, of a command that may do without one.
struct OptionalModelPathFlags: ParsableArguments {
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
    guard path != "" else { throw ValidationError("The path of the model is empty.") }
  }

  /// The path of the model, if there is one.
  var path: String? { model ?? modelPath }
}
