import BitCore
import BitFormats
import TestSupport
import Testing

@testable import BitNN

@Suite struct PackedLayerCodingTests {
  @Test(arguments: WeightAlphabet.allCases, [1, 3, 4, 5, 8, 9, 63])
  func layersRoundTrip(_ weights: WeightAlphabet, columns: Int) throws {
    let norms: [Normalization?] = [nil, .rms(epsilon: 0.1), .layer(), .group(columns)]
    let activations = [
      ActivationQuantizer(), ActivationQuantizer(bits: 2, granularity: .tensor),
      ActivationQuantizer(bits: 16, range: .full, epsilon: 1e-5),
      ActivationQuantizer(bits: 8, granularity: .block(columns % 2 == 0 ? 32 : 256), epsilon: 0.1),
    ]
    var layers: [(name: String, layer: PackedBitLinear)] = []
    for (index, norm) in norms.enumerated() {
      let matrix = WeightQuantizer(weights).quantize(
        random([6, columns], seed: UInt64(index)), groups: 3)
      layers.append(
        (
          "layer \(index)",
          try PackedBitLinear(
            matrix: matrix, bias: index == 0 ? random([6]) : nil,
            recipe: QuantizationRecipe(
              weights: weights, activations: activations[index], normalization: norm),
            normWeight: index == 1 ? random([columns]) : nil,
            normBias: index == 2 ? random([columns]) : nil)
        ))
    }
    try withFolder { folder in
      let path = "\(folder)/layers.safetensors"
      try PackedLayerFile.write(layers, to: path)
      let file = try SafetensorsFile(path: path)
      #expect(try file.packedLayerNames() == layers.map(\.name))
      for (name, layer) in layers {
        let read = try file.packedLayer(name)
        #expect(read.matrix.codes == layer.matrix.codes)
        #expect(read.matrix.groupScales == layer.matrix.groupScales)
        #expect(read.recipe == layer.recipe)
        #expect(read.bias == layer.bias)
        #expect(read.normWeight == layer.normWeight && read.normBias == layer.normBias)
        let x = random([3, columns], seed: 7)
        #expect(sameBits(read(x), layer(x)))
      }
      expectError(.missing, path, "no packed layer nobody") {
        _ = try file.packedLayer("nobody")
      }
    }
  }

  @Test func filesWithoutPackedLayersHaveNone() throws {
    try withFolder { folder in
      let path = "\(folder)/plain.safetensors"
      try SafetensorsWriter.write([SafetensorsEntry("x", random([2]))], to: path)
      #expect(try SafetensorsFile(path: path).packedLayerNames() == [])
    }
  }

  private func refuses(
    _ weights: WeightAlphabet, _ kind: InputError.Kind, _ part: String,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout [RawTensor], inout [String: String]) -> Void
  ) throws {
    try PackedLayerSample.refuses(
      PackedLayerSample.layer(weights), kind, part, sourceLocation: sourceLocation, change)
  }

  @Test func codesOutsideTheAlphabet() throws {
    try refuses(.ternary, .malformed, "code 3 in row 1, column 2") { tensors, _ in
      // Row 1 starts at byte 3.
      tensors["a.b.weight"].bytes[3] |= 3 << 4
    }
  }

  @Test func unusedBitsThatAreSet() throws {
    // Ten codes take 20 of 24 bits, or 10 of 16.
    try refuses(.ternary, .malformed, "zero bits after 10 columns") { tensors, _ in
      tensors["a.b.weight"].bytes[11] |= 1 << 6
    }
    try refuses(.sign, .malformed, "zero bits after 10 columns") { tensors, _ in
      tensors["a.b.weight"].bytes[7] |= 1 << 2
    }
  }

  @Test(arguments: [.nan, .infinity, -1] as [Float])
  func impossibleScales(_ scale: Float) throws {
    try refuses(.ternary, .malformed, "scales") { tensors, _ in
      tensors["a.b.weight_scale"].bytes.replaceSubrange(4..<8, with: bytes(scale))
    }
  }

  @Test func scalesThatDoNotFit() throws {
    try refuses(.ternary, .malformed, "vector") { tensors, _ in
      tensors["a.b.weight_scale"].shape = [2, 1]
    }
    try refuses(.ternary, .mismatch, "3 groups") { tensors, _ in
      tensors["a.b.weight_scale"].shape = [3]
      tensors["a.b.weight_scale"].bytes += bytes(1)
    }
    try refuses(.ternary, .mismatch, "0 groups") { tensors, _ in
      tensors["a.b.weight_scale"].shape = [0]
      tensors["a.b.weight_scale"].bytes = []
    }
  }

  @Test func codesThatDoNotFit() throws {
    try refuses(.ternary, .mismatch, "rows of 4 bytes") { tensors, _ in
      tensors["a.b.weight"].shape = [3, 4]
    }
    // A number of rows that no byte vouches for.
    try refuses(.ternary, .mismatch, "rows of 0 bytes") { tensors, _ in
      tensors["a.b.weight"].shape = [1 << 60, 0]
      tensors["a.b.weight"].bytes = []
    }
    try refuses(.ternary, .malformed, "no U8 matrix") { tensors, _ in
      tensors["a.b.weight"].shape = [12]
    }
    try refuses(.ternary, .malformed, "no U8 matrix") { tensors, _ in
      tensors.removeAll { $0.name == "a.b.weight" }
    }
    try refuses(.ternary, .mismatch, "bias") { tensors, _ in
      tensors["a.b.bias"].shape = [2, 2]
    }
  }

  /// Each member of the description, with what it must not be.
  @Test(arguments: [
    ("in_features", #""ten""#), ("in_features", "0"), ("in_features", "-1"),
    ("in_features", "10.0"), ("in_features", "4294967296"), ("in_features", "null"),
    ("norm", "null"), ("weights", #""quaternary""#), ("weights", "1"),
    ("activation_bits", "1"), ("activation_bits", "17"), ("activation_bits", "1e3"),
    ("activation_scale", #""row""#), ("activation_range", #""half""#),
    ("activation_epsilon", "-1"), ("activation_epsilon", "1e300"),
    ("activation_epsilon", #""small""#), ("norm", #""batch""#), ("norm", "7"),
    ("norm_groups", "0"), ("norm_groups", "-3"), ("norm_groups", "1.5"),
    ("norm_epsilon", "-1e-5"), ("norm_epsilon", "[]"),
  ])
  func impossibleDescriptions(_ member: String, _ value: String) throws {
    try refuses(.ternary, .malformed, member) { _, metadata in
      metadata[PackedLayerFile.metadataKey]?.set(member, to: value)
    }
  }

  @Test(arguments: [
    "in_features", "weights", "activation_bits", "activation_scale", "activation_range",
    "activation_epsilon", "norm_groups", "norm_epsilon",
  ])
  func missingDescriptions(_ member: String) throws {
    try refuses(.ternary, .malformed, "\(member) null") { _, metadata in
      metadata[PackedLayerFile.metadataKey]?.remove(member)
    }
  }

  /// A block length belongs to the scale "block", and to no other.
  @Test func blocksOfActivations() throws {
    var layer = PackedLayerSample.layer(.ternary)
    func refuses(_ part: String, _ change: (inout String) -> Void) throws {
      try PackedLayerSample.refuses(layer, .malformed, part) { _, metadata in
        metadata[PackedLayerFile.metadataKey].map { text in
          var text = text
          change(&text)
          metadata[PackedLayerFile.metadataKey] = text
        }
      }
    }
    try refuses(#"activation_scale "token", expected block, of 64"#) {
      $0.set("activation_block", to: "64")
    }
    var recipe = layer.recipe
    recipe.activations = ActivationQuantizer(granularity: .block(128))
    layer = try PackedBitLinear(matrix: layer.matrix, recipe: recipe)
    try refuses(#"activation_scale "block", expected tensor, token, or block with"#) {
      $0.remove("activation_block")
    }
    for value in ["48", "0", "-32", #""64""#, "null", "512", "4294967360"] {
      try refuses("activation_block \(value), expected 32, 64, 128 or 256") {
        $0.set("activation_block", to: value)
      }
    }
  }

  /// Nine features take as many bytes as ten, but leave bits that are set.
  @Test func featuresThatDoNotFit() throws {
    try refuses(.ternary, .malformed, "zero bits after 9 columns") { _, metadata in
      metadata[PackedLayerFile.metadataKey]?.set("in_features", to: "9")
    }
    try refuses(.ternary, .mismatch, "4 for 13 ternary codes") { _, metadata in
      metadata[PackedLayerFile.metadataKey]?.set("in_features", to: "13")
    }
  }

  @Test func normGroupsThatDoNotDivide() throws {
    try refuses(.ternary, .mismatch, "3 groups") { _, metadata in
      metadata[PackedLayerFile.metadataKey]?.set("norm", to: #""group""#)
      metadata[PackedLayerFile.metadataKey]?.set("norm_groups", to: "3")
    }
  }

  @Test(arguments: [
    ("", "metadata bitlinear.layers: found the end"), ("{", "metadata bitlinear.layers: found the"),
    ("[]", "found an array"), ("null", "found null"), (#"{"a.b":7}"#, "layer a.b: found"),
    (#"{"a.b":{}}"#, "layer a.b: found"),
  ])
  func impossibleMetadata(_ text: String, _ part: String) throws {
    try withFolder { folder in
      let path = "\(folder)/layer.safetensors"
      try PackedLayerSample.write(PackedLayerSample.layer(.ternary), to: path)
      try edit(path) { _, metadata in metadata[PackedLayerFile.metadataKey] = text }
      let file = try SafetensorsFile(path: path)
      expectError(.malformed, path, part) { _ = try file.packedLayer("a.b") }
    }
  }
}
