import ArgumentParser
import BitConversion
import BitCore
import BitFiles
import BitFormats

struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Quantize and pack the linear layers of a float model.",
    discussion: """
      Quantizes the weights of linear layers to signs (bitnet) or to ternary codes (b158) by the \
      rule of the recipe, and copies all other tensors. Without --include these are the \
      two-dimensional tensors whose name ends in .weight, except embeddings, norms, heads, routers \
      of experts and classifiers. GGUF types other than i2_s round the scales to half precision; the \
      errors in the table include that.
      """)

  @Argument(
    help: "Float model: a .safetensors or .gguf file, an index (.json), or a folder with a model.")
  var input: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The .safetensors or .gguf file, or the folder, to write.", valueName: "path"))
  var output: String

  @Option(
    help: "Quantization of the weights: bitnet (1 bit) or b158 (1.58 bits, ternary).",
    transform: RecipeOption.quantization)
  var recipe: QuantizationRecipe

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Groups of output rows that have a scale each.", valueName: "n"))
  var groups = 1

  @Option(
    help: ArgumentHelp(
      "Quantize the matrices whose names match this regular expression.", valueName: "regex"))
  var include: NamePattern?

  @Option(
    help: ArgumentHelp(
      "Except those whose names match this regular expression.", valueName: "regex"))
  var exclude: NamePattern?

  @Option(
    help: ArgumentHelp(
      """
      How to store the weights. The default for safetensors is hf for b158 with one group and \
      bitlinear otherwise; for GGUF it is tq2_0 for b158 and q1_0 for bitnet.
      """, valueName: "type"))
  var outtype: ConversionType?

  @Option(help: ArgumentHelp("Also write the results to this page.", valueName: "file.html"))
  var report: String?

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    try require("--groups", [groups], in: 1...Int.max)
    if outtype == .hf, recipe.weights == .sign {
      throw ValidationError("'--outtype hf' holds ternary codes; bitnet's signs need bitlinear.")
    }
    if groups > 1, outtype == .hf || outtype == .i2_s {
      throw ValidationError("'--outtype \(type.rawValue)' has one scale per tensor, not per group.")
    }
  }

  func run() throws {
    try CPU.checkEnvironment()
    let type = type
    // Before the work, so that no result is lost for a page that cannot be written.
    if let report { _ = try PendingFile(report) }
    let run = ConversionRun()
    let results = try run { progress in
      let source = try ModelFile(path: input)
      source.warnings.forEach(Output.warn)
      let layerRecipe = try layerRecipe(of: source, type)
      let quantized = try QuantizedModel(
        source, layerRecipe, groups: groups, choice: choice(of:), progress: progress)
      try checkRows(quantized.layers, type)
      let conversion = try Conversion(
        quantized.model, to: output,
        options: ConversionOptions(type: type, isLossy: true, recipe: layerRecipe),
        progress: progress)
      let written = try conversion.write(progress: progress)
      return QuantizeResults(
        input: input, output: output, type: type, source: source, quantized: quantized,
        conversion: conversion, written: written)
    }
    if let report { try AtomicFile.write(results.report, to: report) }
    try json ? Output.write(results.json) : Output.write(results.text)
  }

  private func choice(of name: String) -> WeightChoice {
    if exclude?.matches(name) == true { return .keep("--exclude names it") }
    guard let include else { return WeightChoice.byName(name) }
    return include.matches(name) ? .quantize : .keep("--include does not name it")
  }

  /// The recipe of the layers that are written.
  ///
  /// A norm inside a layer is part of the model, so it depends on where the weights come from. Models
  /// of this program and plain files of weights have what the recipe says; a model with a
  /// configuration of its own has what that says.
  private func layerRecipe(
    of source: ModelFile, _ type: ConversionType
  ) throws(InputError) -> QuantizationRecipe {
    var layerRecipe = recipe
    if let quantization = source.quantization {
      layerRecipe.normalization = quantization.recipe.normalization
    } else if let trained = try Network.recipe(in: source.strings, source: input) {
      guard trained == .float || trained.quantization == recipe else {
        throw InputError(
          .mismatch, source: "--recipe", found: recipe.weights == .sign ? "bitnet" : "b158",
          expected: "\(trained.rawValue), with which \(input) was trained")
      }
      if trained == .float { layerRecipe.normalization = nil }
    } else if type != .bitlinear || source.config != nil || source.isGGUF {
      layerRecipe.normalization = nil
    }
    return layerRecipe
  }

  /// Tells what to do about rows that the type hf, the default, cannot hold.
  private func checkRows(_ layers: [QuantizedLayer], _ type: ConversionType) throws(InputError) {
    guard type == .hf, let layer = layers.first(where: { !$0.shape[0].isMultiple(of: 4) })
    else { return }
    throw InputError(
      .unsupported, source: "\(input), tensor \"\(layer.name)\"",
      found: "\(layer.shape[0]) rows of ternary weights",
      expected: "a multiple of 4 for --outtype hf; --outtype bitlinear holds any number, and "
        + "--exclude leaves a layer as it is")
  }

  private var type: ConversionType {
    if let outtype { return outtype }
    if output.hasSuffix(".gguf") { return recipe.weights == .sign ? .q1_0 : .tq2_0 }
    return recipe.weights == .sign || groups > 1 ? .bitlinear : .hf
  }
}
