import BitTraining
import BitCore
import BitFiles
import BitFormats
import BitNN

/// The recipes of the command line.
enum Recipe: String, CaseIterable {
  case bitnet
  case b158
  case float

  /// How layers quantize; nil for float layers.
  var quantization: QuantizationRecipe? {
    switch self {
    case .bitnet: .bitnet
    case .b158: .b158
    case .float: nil
    }
  }
}

/// What `train` builds and `eval` builds again: a network of linear layers with ReLU between them,
/// and what its inputs go through. It is kept as JSON in the metadata of model files.
struct Network {
  static let metadataKey = "bitlinear.network"

  /// The features of the input, of the hidden layers, and the classes.
  var features: [Int]
  var recipe: Recipe
  var groups: Int
  var standardization: Standardization

  /// A network that was checked to be possible.
  ///
  /// - Throws: ``InputError`` if an extent is out of range or `groups` does not divide a layer.
  init(
    features: [Int], recipe: Recipe, groups: Int, standardization: Standardization, source: String
  ) throws(InputError) {
    guard features.count >= 2, features.allSatisfy({ (1...65_536).contains($0) }) else {
      throw InputError(
        .malformed, source: source, found: Self.join(features),
        expected: "layers of 1 to 65536 features")
    }
    if recipe != .float, let out = features.dropFirst().first(where: { $0 % max(1, groups) != 0 }) {
      throw InputError(
        .mismatch, source: source, found: "\(groups) groups for a layer of \(out) features",
        expected: "a number that divides every layer of \(Self.join(features.dropFirst()))")
    }
    guard groups > 0 else {
      throw InputError(.malformed, source: source, found: "\(groups) groups", expected: "1 or more")
    }
    let weights = Self.weightCount(features)
    guard weights <= Self.maximumWeightCount else {
      throw InputError(
        .unsupported, source: source, found: "\(weights) weights in layers \(Self.join(features))",
        expected: "at most \(Self.maximumWeightCount)")
    }
    self.features = features
    self.recipe = recipe
    self.groups = groups
    self.standardization = standardization
  }

  /// The network in a few words: "784-512-512-10 b158".
  var summary: String {
    Self.join(features) + " " + recipe.rawValue + (groups > 1 ? " in \(groups) groups" : "")
  }

  /// More would take over 4 GiB in training: the weights, two moments and a gradient in float32.
  private static let maximumWeightCount = 1 << 28

  private static func weightCount(_ features: [Int]) -> Int {
    zip(features, features.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
  }

  private static func join(_ features: some Sequence<Int>) -> String {
    features.map(String.init).joined(separator: "-")
  }

  /// A model of this network with parameters from `seed`. Recipes of one seed start from the same
  /// latent weights.
  func model(seed: UInt64 = 0) -> MultilayerPerceptron<Linear> {
    var generator = SeededGenerator(seed: seed)
    let layers = zip(features, features.dropFirst()).map { input, output in
      Linear(input, output, bias: false, using: &generator)
    }
    let model = MultilayerPerceptron(layers)
    return recipe.quantization.map { model.quantized($0, groups: groups) } ?? model
  }
}

extension Network {
  /// The metadata of a model file.
  var metadata: [String: String] {
    let json: JSONValue = [
      "features": .array(features.map { .integer(Int64($0)) }),
      "recipe": .string(recipe.rawValue),
      "groups": .integer(Int64(groups)),
      "mean": .number(Double(standardization.mean)),
      "deviation": .number(Double(standardization.deviation)),
    ]
    return [Self.metadataKey: json.encoded]
  }

  /// The recipe of a model that `train` wrote; nil for metadata without a network.
  ///
  /// - Throws: ``InputError`` of kind `.malformed` for a network without one.
  static func recipe(
    in metadata: [String: String], source: String
  ) throws(InputError) -> Recipe? {
    guard let text = metadata[metadataKey] else { return nil }
    let source = "\(source), metadata \(metadataKey)"
    let json = try JSONValue(parsing: text, source: source)
    guard let recipe = json["recipe"]?.stringValue.flatMap(Recipe.init(rawValue:)) else {
      throw InputError(.malformed, source: source, found: text, expected: "a recipe")
    }
    return recipe
  }

  /// The network of a model file.
  ///
  /// - Throws: ``InputError`` if the file says nothing or nonsense about it.
  init(of file: SafetensorsFile) throws(InputError) {
    guard file.metadata["bitlinear.checkpoint"] == nil else {
      throw InputError(
        .unsupported, source: file.source, found: "a checkpoint of a training",
        expected: "a model, such as packed.safetensors in the same folder")
    }
    guard let text = file.metadata[Self.metadataKey] else {
      throw InputError(
        .unsupported, source: file.source, found: "no metadata \(Self.metadataKey)",
        expected: "a model that bitlinear train wrote")
    }
    let source = "\(file.source), metadata \(Self.metadataKey)"
    let json = try JSONValue(parsing: text, source: source)
    let features = json["features"]?.arrayValue?.compactMap { $0.integerValue.map { Int($0) } }
    guard let features, features.count == json["features"]?.arrayValue?.count,
      let recipe = json["recipe"]?.stringValue.flatMap(Recipe.init(rawValue:)),
      let groups = json["groups"]?.integerValue,
      let mean = json["mean"]?.doubleValue.map({ Float($0) }), mean.isFinite,
      let deviation = json["deviation"]?.doubleValue.map({ Float($0) }), deviation.isNormal
    else {
      throw InputError(
        .malformed, source: source, found: text,
        expected: "features, recipe, groups, mean and deviation")
    }
    try self.init(
      features: features, recipe: recipe, groups: Int(groups),
      standardization: Standardization(mean: mean, deviation: deviation),
      source: source)
    // The model is built before its tensors are read, so the metadata must not make it large.
    let bytes = file.tensors.reduce(0) { $0 + $1.byteRange.count }
    guard Self.weightCount(features) / 8 <= bytes else {
      throw InputError(
        .mismatch, source: source, found: "layers \(Self.join(features))",
        expected: "a network of which \(bytes) bytes can hold the weights")
    }
  }
}
