import BitCore
import BitFiles
import BitFormats
import BitConversion
import ArgumentParser
import BitNN

struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Pack the linear layers of a float checkpoint.",
    discussion: """
      Turns the float matrices of linear layers into sign (bitnet) or ternary (b158) codes by the \
      rule of their recipe, and copies all other tensors as they are. Unless --include says \
      otherwise these are the two-dimensional tensors in .weight, but not embeddings, norms, heads, \
      routers of experts and classifiers. Types of GGUF other than i2_s round the scales to half precision; the errors are those \
      of what is stored.
      """)

  @Argument(help: "The float checkpoint: a file or a folder.")
  var input: String

  @Option(name: .shortAndLong, help: "The .safetensors or .gguf file, or the folder, to write.")
  var output: String

  @Option(help: "bitnet (signs) or b158 (ternary).")
  var recipe: QuantizeRecipe

  @Option(parsing: .unconditional, help: "Equal groups of output rows with a scale each.")
  var groups = 1

  @Option(help: "Quantize the matrices whose name this regular expression is found in.")
  var include: String?

  @Option(help: "But not those whose name this one is found in.")
  var exclude: String?

  @Option(
    help: """
      hf, bitlinear, tq1_0, tq2_0, q1_0, q2_0 or i2_s. The default for safetensors is hf for b158 \
      with one group and bitlinear otherwise; for GGUF it is tq2_0 for b158 and q1_0 for bitnet.
      """)
  var outtype: String?

  @Option(help: ArgumentHelp("Also write the results to this page.", valueName: "file.html"))
  var report: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try CPU.checkEnvironment()
    let choice = try selection()
    let type = try type()
    guard groups >= 1 else {
      throw InputError(
        .malformed, source: "--groups", found: "\(groups)", expected: "a positive number")
    }
    let run = ConversionRun()
    let results = try run { progress in
      let source = try ModelFile(path: input)
      let layerRecipe = try layerRecipe(of: source, type)
      let quantized = try QuantizedModel(
        source, layerRecipe, groups: groups, choice: choice, progress: progress)
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
    print(json ? results.json.encoded + "\n" : results.text, terminator: "")
  }

  /// The recipe of the layers that are written.
  ///
  /// A norm inside a layer is part of the model, so it depends on where the weights come from. Models
  /// of this program and plain files of weights have what the recipe says; a model with a
  /// configuration of its own has what that says.
  private func layerRecipe(
    of source: ModelFile, _ type: ConversionType
  ) throws(InputError) -> QuantizationRecipe {
    var layerRecipe = recipe.recipe
    if let quantization = source.quantization {
      layerRecipe.normalization = quantization.recipe.normalization
    } else if let trained = try Network.recipe(in: source.strings, source: input) {
      guard trained.rawValue == recipe.rawValue || trained == .float else {
        throw InputError(
          .mismatch, source: "--recipe", found: recipe.rawValue,
          expected: "\(trained.rawValue), as \(input) was trained")
      }
      if trained == .float { layerRecipe.normalization = nil }
    } else if type != .bitlinear || source.config != nil || source.isGGUF {
      layerRecipe.normalization = nil
    }
    return layerRecipe
  }

  private func selection() throws(InputError) -> (String) -> WeightChoice {
    func expression(
      _ option: String, _ text: String?
    ) throws(InputError) -> ((String) -> Bool)? {
      guard let text else { return nil }
      do {
        let regex = try Regex(text)
        return { name in name.contains(regex) }
      } catch {
        throw InputError(
          .malformed, source: "\(option) \(text)", found: "\(error)",
          expected: "a regular expression")
      }
    }
    let included = try expression("--include", include)
    let excluded = try expression("--exclude", exclude) ?? { _ in false }
    return { name in
      if excluded(name) { return .keep("--exclude names it") }
      guard let included else { return WeightChoice.byName(name) }
      return included(name) ? .quantize : .keep("--include does not name it")
    }
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

  private func type() throws(InputError) -> ConversionType {
    let isGGUF = output.hasSuffix(".gguf")
    let isSign = recipe == .bitnet
    guard let type = try ConversionRun.type(outtype) else {
      if isGGUF { return isSign ? .q1_0 : .tq2_0 }
      return isSign || groups > 1 ? .bitlinear : .hf
    }
    if isSign, type == .hf {
      throw InputError(
        .mismatch, source: "--outtype", found: "hf for the recipe bitnet",
        expected: "bitlinear, for sign codes")
    }
    if groups > 1, type == .hf || type == .i2_s {
      throw InputError(
        .mismatch, source: "--outtype", found: "\(type.rawValue) for \(groups) groups",
        expected: "a type with more than one scale for a tensor")
    }
    return type
  }
}

/// The recipes that have codes.
enum QuantizeRecipe: String, ExpressibleByArgument, CaseIterable {
  case bitnet
  case b158

  var recipe: QuantizationRecipe { self == .bitnet ? .bitnet : .b158 }
}
