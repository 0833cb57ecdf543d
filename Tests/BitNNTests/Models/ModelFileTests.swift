import BitCore
import BitFormats
import TestSupport
import Testing

@testable import BitNN

@Suite struct ModelFileTests {
  private let x = random([6, 12], seed: 9)

  /// A layer with everything that a layer can have.
  private func layer(_ weights: WeightAlphabet, groups: Int, seed: UInt64) -> BitLinear {
    var generator = SeededGenerator(seed: seed)
    var layer = BitLinear(
      12, 12, groups: groups, bias: true,
      recipe: QuantizationRecipe(
        weights: weights, activations: ActivationQuantizer(bits: 7, granularity: .tensor),
        normalization: .group(2, epsilon: 1e-4)), learnsNorm: true, using: &generator)
    layer.setParameters([
      "norm.weight": generator.normal([12]), "norm.bias": generator.normal([12]),
    ])
    return layer
  }

  @Test(arguments: WeightAlphabet.allCases, [1, 3])
  func latentAndPackedRoundTrip(_ weights: WeightAlphabet, groups: Int) throws {
    let model = Pair(
      layer(weights, groups: groups, seed: 1), layer(weights, groups: groups, seed: 2))
    try withFolder { folder in
      let (latent, packed) = ("\(folder)/latent.safetensors", "\(folder)/packed.safetensors")
      try model.save(to: latent, metadata: ["who": "me"])
      try model.packed().save(to: packed, metadata: ["who": "me"])

      var other = Pair(
        layer(weights, groups: groups, seed: 3), layer(weights, groups: groups, seed: 4))
      try other.load(from: SafetensorsFile(path: latent))
      #expect(sameParameters(other, model))
      #expect(sameBits(other(x), model(x)))
      #expect(!other.first.isPacked)

      try other.load(from: SafetensorsFile(path: packed))
      #expect(other.first.isPacked && other.second.isPacked)
      #expect(sameBits(other(x), model(x)))
      // A packed model takes another packed file, and gives the same file again.
      try other.load(from: SafetensorsFile(path: packed))
      try other.save(to: "\(folder)/again.safetensors", metadata: ["who": "me"])
      #expect(try bytes(ofFile: packed) == bytes(ofFile: "\(folder)/again.safetensors"))

      let file = try SafetensorsFile(path: packed)
      #expect(file.metadata["who"] == "me" && file.metadata["format"] == "pt")
      #expect(file["first.weight"]?.shape == [12, weights == .sign ? 2 : 3])
      #expect(file["first.weight_scale"]?.shape == [groups])
      #expect(try SafetensorsFile(path: latent).metadata[PackedLayerFile.metadataKey] == nil)
    }
  }

  @Test(arguments: ["bitnet", "b158", "float"])
  func wholeModelsRoundTrip(_ name: String) throws {
    func make(_ seed: UInt64) -> SampleNetwork {
      let model = SampleNetwork(seed: seed)
      return QuantizationRecipe.named(name).map { model.quantized($0, groups: 2) } ?? model
    }
    try withFolder { folder in
      let path = "\(folder)/model.safetensors"
      let model = make(1)
      try model.save(to: path)
      var other = make(2)
      try other.load(from: SafetensorsFile(path: path))
      #expect(sameBits(other(x), model(x)))
      try model.packed().save(to: path)
      var third = make(3)
      try third.load(from: SafetensorsFile(path: path))
      #expect(sameBits(third(x), model(x)))
      #expect(third.output.bitLinear?.isPacked ?? (name == "float"))
    }
  }

  /// Only some layers packed: each keeps its kind.
  @Test func mixedFilesRoundTrip() throws {
    try withFolder { folder in
      let path = "\(folder)/model.safetensors"
      let filter = { (name: String, _: Linear) in name != "output" }
      let model = SampleNetwork(seed: 1).quantized(.b158, filter: filter)
      try model.packed().save(to: path)
      var other = SampleNetwork(seed: 2).quantized(.b158, filter: filter)
      try other.load(from: SafetensorsFile(path: path))
      #expect(other.hidden[0].bitLinear?.isPacked == true)
      #expect(other.output.bitLinear == nil)
      #expect(sameBits(other(x), model(x)))
    }
  }

  @Test func failedSavesSaySo() throws {
    try withFolder { folder in
      expectError(.inputOutput, folder) { try SampleNetwork().save(to: folder) }
      expectError(.missing, "\(folder)/none/model") {
        try SampleNetwork().save(to: "\(folder)/none/model")
      }
    }
  }

  /// Loads a changed file into another model, which must refuse it and stay as it is.
  private func refuses(
    isPacked: Bool, _ kind: InputError.Kind, _ parts: [String],
    sourceLocation: SourceLocation = #_sourceLocation,
    into target: Pair<BitLinear>? = nil,
    _ change: (inout [RawTensor], inout [String: String]) -> Void
  ) throws {
    try withFolder { folder in
      let path = "\(folder)/model.safetensors"
      let model = Pair(layer(.ternary, groups: 3, seed: 1), layer(.sign, groups: 1, seed: 2))
      try (isPacked ? model.packed() : model).save(to: path)
      try edit(path, change)
      let before =
        target ?? Pair(layer(.ternary, groups: 3, seed: 3), layer(.sign, groups: 1, seed: 4))
      var after = before
      let file = try SafetensorsFile(path: path)
      let error = #expect(throws: InputError.self, sourceLocation: sourceLocation) {
        try after.load(from: file)
      }
      #expect(error?.kind == kind, "\(error?.description ?? "")", sourceLocation: sourceLocation)
      for part in parts + [path] {
        #expect(
          error?.description.contains(part) == true, "\(error?.description ?? "") has no \(part)",
          sourceLocation: sourceLocation)
      }
      #expect(sameParameters(after, before), sourceLocation: sourceLocation)
      #expect(sameBits(after(x), before(x)), sourceLocation: sourceLocation)
      #expect(after.first.isPacked == before.first.isPacked, sourceLocation: sourceLocation)
    }
  }

  /// Of the last layer: by then all others were read.
  @Test(arguments: [
    (false, "weight", InputError.Kind.missing), (false, "bias", .missing),
    (false, "norm.weight", .missing), (false, "norm.bias", .missing),
    (true, "weight", .malformed), (true, "weight_scale", .missing), (true, "bias", .mismatch),
    (true, "norm.weight", .mismatch), (true, "norm.bias", .mismatch),
  ])
  func missingTensors(_ isPacked: Bool, _ part: String, _ kind: InputError.Kind) throws {
    try refuses(isPacked: isPacked, kind, ["second", part]) { tensors, _ in
      tensors.removeAll { $0.name == "second.\(part)" }
    }
  }

  @Test(arguments: [true, false])
  func extraTensors(_ isPacked: Bool) throws {
    try refuses(isPacked: isPacked, .mismatch, ["third.weight"]) { tensors, _ in
      tensors.append(RawTensor(name: "third.weight", dtype: .u8, shape: [1], bytes: [1]))
    }
  }

  @Test func wrongShapes() throws {
    try refuses(isPacked: false, .mismatch, ["second.weight", "[24, 6]", "[12, 12]"]) {
      tensors, _ in tensors["second.weight"].shape = [24, 6]
    }
    try refuses(isPacked: false, .mismatch, ["second.bias", "[12, 1]"]) { tensors, _ in
      tensors["second.bias"].shape = [12, 1]
    }
    try refuses(isPacked: true, .mismatch, ["second", "bias", "[4, 3]"]) { tensors, _ in
      tensors["second.bias"].shape = [4, 3]
    }
  }

  @Test func wrongTypes() throws {
    try refuses(isPacked: false, .mismatch, ["second.weight", "U32"]) { tensors, _ in
      tensors["second.weight"].dtype = .u32
    }
    try refuses(isPacked: true, .malformed, ["second.weight"]) { tensors, _ in
      tensors["second.weight"].dtype = .i8
    }
  }

  @Test func otherRecipes() throws {
    let targets = [
      "weights sign": Pair(
        layer(.ternary, groups: 3, seed: 3), layer(.ternary, groups: 1, seed: 4)),
      "groups 1": Pair(layer(.ternary, groups: 3, seed: 3), layer(.sign, groups: 3, seed: 4)),
    ]
    for (part, target) in targets {
      try refuses(isPacked: true, .mismatch, ["layer second", part], into: target) { _, _ in }
    }
    var recipe = layer(.sign, groups: 1, seed: 1).recipe
    recipe.normalization = .group(2, epsilon: 1e-3)
    let other = BitLinear(12, 12, bias: true, recipe: recipe, learnsNorm: true)
    try refuses(
      isPacked: true, .mismatch, ["layer second"],
      into: Pair(layer(.ternary, groups: 3, seed: 3), other)
    ) { _, _ in }
  }

  /// A norm that the model does not learn, or a bias that it does not have.
  @Test func otherParts() throws {
    let recipe = layer(.sign, groups: 1, seed: 1).recipe
    let plain = BitLinear(12, 12, recipe: recipe, learnsNorm: true)
    let unlearned = BitLinear(12, 12, bias: true, recipe: recipe)
    for (other, part) in [(plain, "a bias"), (unlearned, "a norm.weight")] {
      let target = Pair(layer(.ternary, groups: 3, seed: 3), other)
      try refuses(isPacked: true, .mismatch, ["layer second", part], into: target) { _, _ in }
      try refuses(isPacked: true, .mismatch, ["layer second", part], into: target.packed()) {
        _, _ in
      }
    }
  }

  @Test func latentFilesDoNotFitPackedModels() throws {
    let target = Pair(layer(.ternary, groups: 3, seed: 3), layer(.sign, groups: 1, seed: 4))
    try refuses(isPacked: false, .mismatch, ["a tensor first."], into: target.packed()) { _, _ in }
  }

  @Test func packedFilesDoNotFitFloatModels() throws {
    try withFolder { folder in
      let path = "\(folder)/model.safetensors"
      try SampleNetwork().quantized(.b158).packed().save(to: path)
      var model = SampleNetwork(seed: 2)
      let before = model
      expectError(.mismatch, path, "hidden.0.weight") {
        try model.load(from: SafetensorsFile(path: path))
      }
      #expect(sameParameters(model, before))
    }
  }
}
