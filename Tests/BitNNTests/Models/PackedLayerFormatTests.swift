import BitCore
import BitFormats
import TestSupport
import Testing

@testable import BitNN

/// Formats in memory and scales of blocks, in files of packed layers.
@Suite struct PackedLayerFormatTests {
  /// 4 x 130 codes with a scale for each block of 64.
  private func blockLayer(
    _ weights: WeightAlphabet, length: Int = 64, format: PackedFormat? = nil
  ) throws -> PackedBitLinear {
    try PackedBitLinear(
      matrix: WeightQuantizer(weights).quantize(
        random([4, 130]), blockColumns: length, format: format),
      bias: random([4], seed: 2),
      recipe: QuantizationRecipe(
        weights: weights, activations: ActivationQuantizer(), normalization: .rms()))
  }

  @Test(arguments: PackedFormat.allCases, [nil, 64, 128, 256])
  func formatsAndBlockScalesRoundTrip(_ format: PackedFormat, length: Int?) throws {
    let weights = format.alphabet
    let matrix =
      length.map {
        WeightQuantizer(weights).quantize(random([70, 130]), blockColumns: $0, format: format)
      }
      ?? WeightQuantizer(weights).quantize(random([70, 130]), groups: 2, format: format)
    let layer = try PackedBitLinear(
      matrix: matrix,
      recipe: QuantizationRecipe(
        weights: weights, activations: ActivationQuantizer(), normalization: nil))
    try withFolder { folder in
      let path = "\(folder)/layer.safetensors"
      try PackedLayerSample.write(layer, to: path)
      let file = try SafetensorsFile(path: path)
      #expect(file["a.b.weight"]?.shape == [70, weights == .sign ? 17 : 33])
      let blocks = length.map { (130 + $0 - 1) / $0 }
      #expect(file["a.b.weight_scale"]?.shape == (blocks.map { [70, $0] } ?? [2]))
      // A reader that knows no formats and blocks must not see a word of them in other files.
      let text = try #require(file.metadata[PackedLayerFile.metadataKey])
      #expect(text.contains(#""block_features""#) == (length != nil))
      #expect(text.contains(#""format""#) == (format == .ternary1_6))

      let read = try file.packedLayer("a.b")
      #expect(read.matrix.format == format)
      #expect(read.matrix.scales == matrix.scales)
      #expect(read.matrix.codes == matrix.codes)
      #expect(read.byteCount == layer.byteCount)
      for tokens in [1, 9] {
        let x = random([tokens, 130], seed: 7)
        #expect(sameBits(read(x), layer(x)))
      }
      // The same file again.
      try PackedLayerSample.write(read, to: "\(folder)/again.safetensors")
      #expect(try bytes(ofFile: path) == bytes(ofFile: "\(folder)/again.safetensors"))
    }
  }

  @Test(arguments: [.nan, .infinity, -.infinity] as [Float])
  func impossibleBlockScales(_ scale: Float) throws {
    try PackedLayerSample.refuses(blockLayer(.ternary), .malformed, "[4, blocks] of finite numbers")
    {
      tensors, _ in
      tensors["a.b.weight_scale"].bytes.replaceSubrange(44..<48, with: bytes(scale))
    }
  }

  /// Other programs' blocks may have negative scales; groups of rows have none.
  @Test func negativeBlockScales() throws {
    try withFolder { folder in
      let path = "\(folder)/layer.safetensors"
      try PackedLayerSample.write(blockLayer(.ternary), to: path)
      try edit(path) { tensors, _ in
        tensors["a.b.weight_scale"].bytes.replaceSubrange(4..<8, with: bytes(-2))
      }
      let read = try SafetensorsFile(path: path).packedLayer("a.b")
      #expect(read.matrix.scales.values[1] == -2)
    }
  }

  @Test func blockScalesThatDoNotFit() throws {
    // 130 weights have three blocks of 64, two of 128.
    try PackedLayerSample.refuses(
      blockLayer(.ternary), .mismatch, "12 scales, expected 8 for 4 x 130 in blocks of 128"
    ) { _, metadata in
      metadata[PackedLayerFile.metadataKey]?.set("block_features", to: "128")
    }
    try PackedLayerSample.refuses(blockLayer(.sign), .malformed, "[4, blocks] of finite numbers") {
      tensors, _ in
      tensors["a.b.weight_scale"].shape = [12]
    }
    try PackedLayerSample.refuses(blockLayer(.sign), .malformed, "[4, blocks] of finite numbers") {
      tensors, _ in
      tensors["a.b.weight_scale"].shape = [3, 4]
    }
    try PackedLayerSample.refuses(
      blockLayer(.sign), .mismatch, "8 scales, expected 12 for 4 x 130 in blocks of 64"
    ) { tensors, _ in
      tensors["a.b.weight_scale"].shape = [4, 2]
      tensors["a.b.weight_scale"].bytes.removeLast(16)
    }
    // A matrix of scales is one of blocks, whose length must be there.
    try PackedLayerSample.refuses(blockLayer(.ternary), .malformed, "a vector of finite numbers") {
      _, metadata in
      metadata[PackedLayerFile.metadataKey]?.remove("block_features")
    }
    // And a vector is none of blocks.
    try PackedLayerSample.refuses(
      PackedLayerSample.layer(.ternary), .malformed, "[4, blocks] of finite numbers"
    ) { _, metadata in
      metadata[PackedLayerFile.metadataKey]?.set("block_features", to: "64")
    }
  }

  @Test(arguments: [
    "0", "-1", "-64", "32", "63", "512", "64.0", "1e300", "4294967360", #""64""#, "null", "[64]",
    "true",
  ])
  func impossibleBlockLengths(_ value: String) throws {
    for layer in [try blockLayer(.ternary), PackedLayerSample.layer(.ternary)] {
      try PackedLayerSample.refuses(layer, .malformed, "block_features") { _, metadata in
        metadata[PackedLayerFile.metadataKey]?.set("block_features", to: value)
      }
    }
  }

  @Test(
    arguments: [
      (.ternary, #""ternary3""#, "ternary2 or ternary1.6"),
      (.ternary, #""sign1""#, "ternary2 or ternary1.6"),
      (.ternary, "1.6", "ternary2 or ternary1.6"),
      (.ternary, #""""#, "ternary2 or ternary1.6"), (.ternary, "null", "ternary2 or ternary1.6"),
      (.sign, #""ternary1.6""#, "expected sign1"), (.sign, #""ternary2""#, "expected sign1"),
      (.sign, "1", "expected sign1"),
    ] as [(WeightAlphabet, String, String)])
  func impossibleFormats(_ weights: WeightAlphabet, _ value: String, _ expected: String) throws {
    for layer in [try blockLayer(weights), PackedLayerSample.layer(weights)] {
      try PackedLayerSample.refuses(layer, .malformed, expected) { _, metadata in
        metadata[PackedLayerFile.metadataKey]?.set("format", to: value)
      }
    }
  }

  /// A format that is the default one may be written out.
  @Test func theDefaultFormatByName() throws {
    for (weights, name) in [(WeightAlphabet.ternary, "ternary2"), (.sign, "sign1")] {
      try withFolder { folder in
        let path = "\(folder)/layer.safetensors"
        try PackedLayerSample.write(PackedLayerSample.layer(weights), to: path)
        try edit(path) { _, metadata in
          metadata[PackedLayerFile.metadataKey]?.set("format", to: "\"\(name)\"")
        }
        let read = try SafetensorsFile(path: path).packedLayer("a.b")
        #expect(read.matrix.format == weights.defaultFormat)
        #expect(read.matrix.codes == PackedLayerSample.layer(weights).matrix.codes)
      }
    }
  }
}
