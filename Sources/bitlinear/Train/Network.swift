import BitCore
import BitFormats
import BitNN
import BitTraining

/// What `train` builds and `eval` builds again: a network of linear layers with ReLU between them,
/// and the standardization of its inputs. It is stored as JSON in the metadata of model files.
struct Network: Codable, Equatable {
  static let metadataKey = "bitlinear.network"
  /// The maximum size of a layer.
  static let maximumFeatures = 65_536
  /// More would take over 4 GiB in training: the weights, two moments and a gradient in float32.
  private static let maximumWeightCount = 1 << 28

  /// The sizes of the input, the hidden layers and the output, which is the number of classes.
  let features: [Int]
  let recipe: RecipeOption
  let groups: Int
  private let mean: Float
  private let deviation: Float

  /// A network that was checked to be possible.
  ///
  /// - Throws: ``InputError`` if a size is out of range or `groups` does not divide a layer.
  init(
    features: [Int], recipe: RecipeOption, groups: Int, standardization: Standardization,
    source: String
  ) throws(InputError) {
    self.features = features
    self.recipe = recipe
    self.groups = groups
    mean = standardization.mean
    deviation = standardization.deviation
    try check(source)
  }

  private func check(_ source: String) throws(InputError) {
    guard features.count >= 2,
      features.allSatisfy({ (1...Self.maximumFeatures).contains($0) })
    else {
      throw InputError(
        .malformed, source: source, found: Self.join(features),
        expected: "layers of 1 to \(Self.maximumFeatures) features")
    }
    guard mean.isFinite, deviation.isNormal, deviation > 0 else {
      throw InputError(
        .malformed, source: source, found: "inputs of mean \(mean) and deviation \(deviation)",
        expected: "finite numbers, and a deviation above 0")
    }
    guard groups > 0 else {
      throw InputError(.malformed, source: source, found: "\(groups) groups", expected: "1 or more")
    }
    if recipe != .float, let out = features.dropFirst().first(where: { $0 % groups != 0 }) {
      throw InputError(
        .mismatch, source: source, found: "\(groups) groups for a layer of \(out) features",
        expected: "a number that divides every layer of \(Self.join(features.dropFirst()))")
    }
    guard weightCount <= Self.maximumWeightCount else {
      throw InputError(
        .unsupported, source: source,
        found: "\(weightCount) weights in layers \(Self.join(features))",
        expected: "at most \(Self.maximumWeightCount)")
    }
  }

  /// What inputs go through.
  var standardization: Standardization { Standardization(mean: mean, deviation: deviation) }

  /// The network in a few words: "784-512-512-10 b158".
  var summary: String {
    Self.join(features) + " " + recipe.rawValue + (groups > 1 ? " in \(groups) groups" : "")
  }

  private var weightCount: Int {
    zip(features, features.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
  }

  private static func join(_ features: some Sequence<Int>) -> String {
    features.map(String.init).joined(separator: "-")
  }

  /// A model of this network with initial parameters from `seed`. Recipes with the same seed start
  /// from the same latent weights.
  func model(seed: UInt64 = 0) -> MultilayerPerceptron<Linear> {
    var generator = SeededGenerator(seed: seed)
    let layers = zip(features, features.dropFirst()).map { input, output in
      Linear(input, output, bias: false, using: &generator)
    }
    let model = MultilayerPerceptron(layers)
    return recipe.quantization.map { model.quantized($0, groups: groups) } ?? model
  }

  /// Checks that a data set fits the network.
  func check(_ data: TrainTestData, source: String) throws(InputError) {
    guard data.test.featureCount == features.first, data.test.classCount <= features.last ?? 0
    else {
      throw InputError(
        .mismatch, source: source, found: "a network \(summary)",
        expected: "\(data.test.featureCount) features and \(data.test.classCount) classes, as in "
          + data.test.name)
    }
  }
}

extension Network {
  /// The metadata of a model file.
  var metadata: [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let json = try? encoder.encode(self) else {
      preconditionFailure("a network that was checked is plain JSON")
    }
    return [Self.metadataKey: String(decoding: json, as: UTF8.self)]
  }

  /// The recipe of a model that `train` wrote; nil for metadata without a network.
  ///
  /// - Throws: ``InputError`` of kind `.malformed` for something else than a network.
  static func recipe(
    in metadata: [String: String], source: String
  ) throws(InputError) -> RecipeOption? {
    try metadata[metadataKey].map { (text) throws(InputError) in
      try Self(json: text, source: source).recipe
    }
  }

  private init(json: String, source: String) throws(InputError) {
    let source = "\(source), metadata \(Self.metadataKey)"
    guard let network = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else {
      throw InputError(
        .malformed, source: source, found: json,
        expected: "features, recipe, groups, mean and deviation")
    }
    try network.check(source)
    self = network
  }

  /// The network of a model file.
  ///
  /// - Throws: ``InputError`` if the file does not describe a possible network.
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
    try self.init(json: text, source: file.source)
    // The model is built before its tensors are read, so the metadata must not make it large.
    let bytes = file.tensors.reduce(0) { $0 + $1.byteRange.count }
    guard weightCount / 8 <= bytes else {
      throw InputError(
        .mismatch, source: "\(file.source), metadata \(Self.metadataKey)",
        found: "layers \(Self.join(features))",
        expected: "a network of which \(bytes) bytes can hold the weights")
    }
  }
}
