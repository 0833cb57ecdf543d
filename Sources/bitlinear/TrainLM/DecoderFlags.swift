import ArgumentParser
import BitCore
import BitFormats
import BitNN

/// The options that say what a new language model looks like.
struct DecoderFlags: ParsableArguments {
  /// The families that are made.
  enum Family: String, CaseIterable, ExpressibleByArgument {
    case llama
    case bitnet
  }

  @Option(
    help: """
      llama (gated by SiLU), or bitnet (squared ReLU, and norms before the last projections, as \
      BitNet b1.58 2B4T).
      """)
  var family = Family.llama

  @Option(help: "The linear layers: b158 (1.58 bits, ternary) or float.")
  var recipe = DecoderRecipeOption.b158

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Length of hidden states, 2 to 16384.", valueName: "n"))
  var hiddenSize = 256

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Number of layers, 1 to 256.", valueName: "n"))
  var numLayers = 4

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Heads of attention. (default: one for each 64 of --hidden-size)", valueName: "n"))
  var numHeads: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Heads of keys and values, a divisor of the heads. (default: as many)", valueName: "n"))
  var numKeyValueHeads: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Length inside feed-forward layers. (default: 8/3 of --hidden-size, up to a multiple of 256)
      """, valueName: "n"))
  var intermediateSize: Int?

  @Flag(help: "Use the embeddings as output layer.")
  var tieEmbeddings = false

  func validate() throws {
    try require("--hidden-size", [hiddenSize], in: 2...16_384)
    try require("--num-layers", [numLayers], in: 1...256)
    try require("--num-heads", numHeads.map { [$0] } ?? [], in: 1...1024)
    try require("--num-key-value-heads", numKeyValueHeads.map { [$0] } ?? [], in: 1...1024)
    try require("--intermediate-size", intermediateSize.map { [$0] } ?? [], in: 1...65_536)
  }

  /// The model that the options describe.
  ///
  /// - Throws: ``InputError`` if the heads do not fit, or if the rows of a layer cannot be packed.
  func configuration(
    vocabulary: Int, context: Int, ends: [Int], begin: Int?
  ) throws(InputError) -> DecoderConfiguration {
    let heads = numHeads ?? max(1, hiddenSize / 64)
    let keyValueHeads = numKeyValueHeads ?? heads
    guard hiddenSize.isMultiple(of: 2 * heads) else {
      throw InputError(
        .mismatch, source: "--hidden-size", found: "\(hiddenSize) for \(heads) heads",
        expected: "a multiple of \(2 * heads), for heads of an even length")
    }
    guard heads.isMultiple(of: keyValueHeads) else {
      throw InputError(
        .mismatch, source: "--num-key-value-heads", found: "\(keyValueHeads)",
        expected: "a divisor of the \(heads) heads")
    }
    let make =
      family == .llama ? DecoderConfiguration.llama : DecoderConfiguration.bitnet
    var configuration = make(
      vocabulary, hiddenSize, numLayers, heads, keyValueHeads, intermediateSize, context,
      tieEmbeddings)
    let rows = [
      hiddenSize, configuration.intermediateSize, keyValueHeads * configuration.headLength,
    ]
    if recipe == .b158, let odd = rows.first(where: { !$0.isMultiple(of: 4) }) {
      throw InputError(
        .unsupported, source: "--recipe b158", found: "a layer of \(odd) rows",
        expected: "a multiple of 4, which Hugging Face packs into a byte")
    }
    (configuration.endOfSequence, configuration.beginOfSequence) = (ends, begin)
    return configuration
  }
}
