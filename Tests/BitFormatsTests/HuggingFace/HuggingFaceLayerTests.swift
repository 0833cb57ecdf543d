import BitCore
@testable import BitFiles
import BitFormats
import Foundation
import Testing

/// A folder of a tiny model.
func goldenFolder(_ name: String) throws -> String {
  let url = Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Golden")
  return try #require(url).path
}

/// Writes a folder of one file of tensors and a `config.json`.
func writeCheckpoint(
  _ entries: [SafetensorsEntry], _ quantization: HuggingFaceQuantization, to folder: String
) throws {
  try SafetensorsWriter.write(
    entries, metadata: ["format": "pt"], to: folder + "/model.safetensors")
  let config = try quantization.written(into: ["model_type": "bitnet"], source: "config.json")
  try AtomicFile.write(JSONValue.object(config).indented, to: folder + "/config.json")
}

@Suite struct HuggingFaceLayerTests {
  struct Expected: Decodable {
    let shape: [Int]
    let counts: [Int]
    let sum: UInt64
    let factor_bits: UInt32
  }

  static let models = Result {
    try JSONDecoder().decode(
      [String: [String: Expected]].self, from: Golden.data("hf_layers.json"))
  }

  /// Codes and scales of whole models, as Python decoded them; written again, the same bytes.
  @Test(arguments: [
    "tiny64-offline-autobitlinear-f32", "tiny64-offline-autobitlinear-bf16",
    "tiny64-offline-bitlinear-f32-untied", "tiny256-offline-f32",
  ])
  func readsAndWritesModels(name: String) throws {
    let expected = try #require(try Self.models.get()[name])
    let folder = try goldenFolder(name)
    let checkpoint = try ShardedSafetensors(path: folder)
    let quantization = try #require(try checkpoint.quantization())
    #expect(Set(checkpoint.huggingFaceLayerNames) == Set(expected.keys))
    var entries: [SafetensorsEntry] = []
    for name in checkpoint.huggingFaceLayerNames {
      let read = try HuggingFaceLayer(name, from: checkpoint, quantization: quantization)
      let expected = try #require(expected[name])
      let matrix = try read.packedLayer().matrix
      #expect([matrix.rows, matrix.columns] == expected.shape)
      var counts = [0, 0, 0]
      var sum: UInt64 = 0
      for (place, code) in matrix.codes.enumerated() {
        counts[Int(code) + 1] += 1
        sum += UInt64(Int(code) + 1) * UInt64(place + 1)
      }
      #expect(counts == expected.counts)
      #expect(sum % (1 << 32) == expected.sum)
      #expect(matrix.groupScales.map(\.bitPattern) == [expected.factor_bits])
      entries += try read.entries()
    }
    let written = Set(entries.map(\.name))
    let file = checkpoint.files[0]
    for tensor in checkpoint.tensors where !written.contains(tensor.name) {
      entries.append(try SafetensorsEntry(copying: tensor.name, from: file))
    }
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write(entries, metadata: file.metadata, to: folder + "/copy")
      #expect(try bytes(ofFile: folder + "/copy") == bytes(ofFile: file.source))
    }
  }

  @Test(arguments: [PackedFormat.ternary2, .ternary1_6])
  func holdsCodesInTheFormatThatIsAskedFor(format: PackedFormat) throws {
    let checkpoint = try ShardedSafetensors(path: goldenFolder("tiny64-offline-autobitlinear-f32"))
    let read = try HuggingFaceLayer(
      "model.layers.0.self_attn.k_proj", from: checkpoint,
      quantization: HuggingFaceQuantization(linearClass: .autobitlinear), outFeatures: 32)
    #expect(try read.packedLayer(format: format).matrix.format == format)
  }

  private static func isClose(_ a: Tensor, _ b: Tensor) -> Bool {
    a.shape == b.shape
      && zip(a.scalars, b.scalars).allSatisfy { ($0 - $1).magnitude <= 1e-6 + 1e-5 * $1.magnitude }
  }

  private static func checkpoint(
    _ golden: HuggingFaceGolden.Layer, _ linearClass: HuggingFaceQuantization.LinearClass,
    floats: DType?, in folder: String
  ) throws -> ShardedSafetensors {
    let (rows, columns) = (golden.ternary.shape[0], golden.ternary.shape[1])
    let codes = golden.ternary.data.map { Int8($0) }
    let scale =
      linearClass == .bitlinear ? golden.bitlinear_weight_scale : golden.autobitlinear_weight_scale
    var entries = [SafetensorsEntry("l.weight_scale", Tensor([scale]))]
    if let floats {
      entries.append(SafetensorsEntry("l.weight", golden.ternary.tensor, dtype: floats))
    } else {
      let packing = try HuggingFacePacking(rows: rows, columns: columns, source: "l")
      let packed = try packing.pack(packedRows: 0..<rows / 4, source: "l") {
        Array(codes[$0.lowerBound * columns..<$0.upperBound * columns])
      }
      entries.append(
        SafetensorsEntry("l.weight", dtype: .u8, shape: [rows / 4, columns], bytes: packed))
    }
    if let bias = golden.bias { entries.append(SafetensorsEntry("l.bias", Tensor(bias))) }
    if golden.use_rms_norm {
      // transformers starts with ones.
      entries.append(
        SafetensorsEntry("l.rms_norm.weight", Tensor(repeating: 1, shape: [columns])))
    }
    let quantization = HuggingFaceQuantization(
      linearClass: linearClass, usesRMSNorm: golden.use_rms_norm,
      rmsNormEpsilon: golden.rms_norm_eps)
    try writeCheckpoint(entries, quantization, to: folder)
    return try ShardedSafetensors(path: folder)
  }

  /// The outputs of transformers' own layers: bias and norm, both meanings of the scale.
  /// Tolerance: rtol 1e-5, atol 1e-6, because they round in another order than ours.
  @Test(arguments: 0..<4)
  func computesAsTransformers(index: Int) throws {
    let golden = try HuggingFaceGolden.shared.get().layers[index]
    for linearClass in HuggingFaceQuantization.LinearClass.allCases {
      for floats in linearClass == .bitlinear ? [nil] : [nil, DType.f32, .bf16, .f16] {
        try withTemporaryFolder { folder in
          let checkpoint = try Self.checkpoint(golden, linearClass, floats: floats, in: folder)
          let quantization = try #require(try checkpoint.quantization())
          let read = try HuggingFaceLayer("l", from: checkpoint, quantization: quantization)
          #expect(read.storage == (floats.map { .floats($0) } ?? .packed))
          let layer = try read.packedLayer()
          #expect(layer.matrix.codes == golden.ternary.data.map { Int8($0) })
          let expected =
            linearClass == .bitlinear ? golden.y_bitlinear : golden.y_autobitlinear_offline
          #expect(Self.isClose(layer(golden.x.tensor), expected.tensor))
          try SafetensorsWriter.write(
            read.entries(), metadata: ["format": "pt"], to: folder + "/again")
          #expect(
            try bytes(ofFile: folder + "/again") == bytes(ofFile: folder + "/model.safetensors"))
        }
      }
    }
    #expect(try HuggingFaceGolden.shared.get().layers.count == 4)
  }

  /// A layer of ours, written in both conventions and read again.
  @Test(arguments: HuggingFaceQuantization.LinearClass.allCases, [false, true])
  func writesLayersOfItsOwn(
    linearClass: HuggingFaceQuantization.LinearClass, hasNorm: Bool
  ) throws {
    var generator = SeededGenerator(seed: 6)
    let quantization = HuggingFaceQuantization(linearClass: linearClass, usesRMSNorm: hasNorm)
    let matrix = WeightQuantizer.ternary.quantize(generator.uniform([12, 10], bound: 1))
    let layer = try PackedBitLinear(
      matrix: matrix, bias: generator.uniform([12], bound: 1), recipe: quantization.recipe)
    let entries = try HuggingFaceLayer.entries(
      "l", layer, quantization: quantization, rounding: linearClass == .bitlinear)
    try withTemporaryFolder { folder in
      try writeCheckpoint(entries, quantization, to: folder)
      let read = try HuggingFaceLayer(
        "l", from: ShardedSafetensors(path: folder), quantization: quantization)
      let packed = try read.packedLayer()
      #expect(packed.matrix.codes == matrix.codes)
      #expect(
        read.scale
          == (try HuggingFaceScale(
            multiplier: matrix.groupScales[0], convention: quantization.scaleConvention,
            rounding: linearClass == .bitlinear)))
      if linearClass == .autobitlinear {
        #expect(packed.matrix.groupScales == matrix.groupScales)
      }
      #expect(packed.recipe == layer.recipe)
      let x = generator.uniform([3, 10], bound: 1)
      #expect(Self.isClose(packed(x), layer(x)))
    }
  }

  @Test func refusesToWriteWhatTheFormatLacks() throws {
    let quantization = HuggingFaceQuantization()
    func refused(
      _ matrix: CodeMatrix, _ recipe: QuantizationRecipe, normBias: Tensor? = nil
    ) throws -> String? {
      let layer = try PackedBitLinear(matrix: matrix, recipe: recipe, normBias: normBias)
      let error = #expect(throws: InputError.self) {
        try HuggingFaceLayer.entries("l", layer, quantization: quantization)
      }
      #expect(error?.kind == .unsupported)
      #expect(error?.source.hasPrefix("layer l") == true)
      return error?.found
    }
    func matrix(_ rows: Int, _ scales: WeightScales, _ weights: WeightAlphabet = .ternary) throws
      -> CodeMatrix
    {
      try CodeMatrix(
        codes: [Int8](repeating: 1, count: rows * 64), rows: rows, columns: 64, alphabet: weights,
        scales: scales)
    }
    let plain = quantization.recipe
    #expect(try refused(matrix(6, .groups([1])), plain) == "6 rows of ternary weights")
    #expect(
      try refused(matrix(8, .groups([1, 2])), plain) == "2 groups with different scales")
    #expect(
      try refused(matrix(4, .blocks(columns: 64, [1, 1, 1, 1])), plain)
        == "scales of blocks of weights")
    #expect(
      try refused(matrix(4, .groups([1])), .b158)?.hasPrefix("(weights ternary") == true)
    var sign = plain
    sign.weights = .sign
    #expect(
      try refused(matrix(4, .groups([1]), .sign), sign)?.hasPrefix("(weights sign") == true)
    #expect(
      try refused(
        matrix(4, .groups([1])), plain, normBias: Tensor(repeating: 0, shape: [64]))
        == "a bias of the norm")
    // Equal scales of several groups are one scale.
    let layer = try PackedBitLinear(matrix: matrix(8, .groups([0.5, 0.5])), recipe: plain)
    try withTemporaryFolder { folder in
      try writeCheckpoint(
        HuggingFaceLayer.entries("l", layer, quantization: quantization), quantization, to: folder)
      let checkpoint = try ShardedSafetensors(path: folder)
      #expect(try checkpoint.tensor("l.weight_scale").scalars == [2])
    }
  }

  /// A good layer with one thing wrong.
  @Test(
    arguments: [
      (["weight_scale": nil], #"found no tensor "l.weight_scale""#),
      (["weight": nil], #"found no tensor "l.weight""#),
      (["bias": Tensor([1, 2, 3])], "found 3 rows of ternary weights, expected a multiple of 4"),
      (
        ["bias": Tensor(repeating: 1, shape: [12])],
        "found 2 rows of bytes, expected 3 for 12 rows of ternary weights"
      ),
      (["bias": Tensor(repeating: 1, shape: [2, 4])], "found shape [2, 4], expected [8]"),
      (["weight_scale": Tensor([0])], "found a scale of 0.0"),
      (
        ["weight": Tensor(repeating: 1, shape: [8, 3])],
        "found F32 weights of bitlinear, expected packed weights, U8 [out / 4, in]"
      ),
      (["weight": Tensor([1])], "found F32 [1], expected a matrix of weights"),
      (["weight": Tensor([], shape: [0, 3])], "found F32 [0, 3], expected a matrix of weights"),
    ] as [([String: Tensor?], String)])
  func refusesPartsThatDoNotFit(changes: [String: Tensor?], message: String) throws {
    try withTemporaryFolder { folder in
      var entries: [String: SafetensorsEntry] = [
        "weight": SafetensorsEntry(
          "l.weight", dtype: .u8, shape: [2, 3], bytes: [0, 1, 2, 4, 8, 16]),
        "weight_scale": SafetensorsEntry("l.weight_scale", Tensor([2])),
        "bias": SafetensorsEntry("l.bias", Tensor(repeating: 1, shape: [8])),
      ]
      let quantization = HuggingFaceQuantization()
      try writeCheckpoint(Array(entries.values), quantization, to: folder)
      #expect(
        try HuggingFaceLayer(
          "l", from: ShardedSafetensors(path: folder), quantization: quantization
        ).packedLayer().matrix.groupScales == [0.5])
      for (part, tensor) in changes {
        entries[part] = tensor.map { SafetensorsEntry("l.\(part)", $0) }
      }
      try writeCheckpoint(Array(entries.values), quantization, to: folder)
      let error = #expect(throws: InputError.self) {
        try HuggingFaceLayer(
          "l", from: ShardedSafetensors(path: folder), quantization: quantization
        ).packedLayer()
      }
      #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
      #expect(error?.source.hasPrefix(folder) == true)
    }
  }

  @Test func refusesFloatsThatAreNoCodes() throws {
    try withTemporaryFolder { folder in
      var quantization = HuggingFaceQuantization(linearClass: .autobitlinear)
      for bad in [0.5, -2, .nan, .infinity, 1.0000001] as [Float] {
        var values = [Float](repeating: 1, count: 15)
        values[0] = -0.0
        values[7] = bad
        let entries = [
          SafetensorsEntry("l.weight", Tensor(values, shape: [5, 3])),
          SafetensorsEntry("l.weight_scale", Tensor([2])),
        ]
        try writeCheckpoint(entries, quantization, to: folder)
        let error = #expect(throws: InputError.self) {
          try HuggingFaceLayer(
            "l", from: ShardedSafetensors(path: folder), quantization: quantization
          ).packedLayer()
        }
        #expect(error?.kind == .malformed)
        #expect(error?.found == "\(bad) in row 2, column 1")
      }
      // Latent weights are to be read as floats.
      quantization.mode = .online
      let error = #expect(throws: InputError.self) {
        try HuggingFaceLayer(
          "l", from: ShardedSafetensors(path: folder), quantization: quantization
        ).packedLayer()
      }
      #expect(error?.found == "F32 latent weights of autobitlinear")
    }
  }

  /// Every flipped byte of a file with a layer, header and data: a typed error, or codes and a
  /// scale that are sound.
  @Test func everyFlippedByteIsAnErrorOrALayer() throws {
    try withTemporaryFolder { folder in
      let quantization = HuggingFaceQuantization(usesRMSNorm: true)
      let entries = [
        SafetensorsEntry("l.weight", dtype: .u8, shape: [1, 3], bytes: [0, 0b10_01_00_01, 0xaa]),
        SafetensorsEntry("l.weight_scale", Tensor([3]), dtype: .bf16),
        SafetensorsEntry("l.bias", Tensor([1, 2, 3, 4])),
        SafetensorsEntry("l.rms_norm.weight", Tensor([1, 2, 3]), dtype: .f16),
      ]
      try writeCheckpoint(entries, quantization, to: folder)
      let path = folder + "/model.safetensors"
      var content = try bytes(ofFile: path)
      func read() throws -> PackedBitLinear? {
        try Data(content).write(to: URL(fileURLWithPath: path))
        do throws(InputError) {
          return try HuggingFaceLayer(
            "l", from: ShardedSafetensors(path: folder), quantization: quantization
          ).packedLayer()
        } catch {
          return nil
        }
      }
      #expect(try read()?.matrix.codes == [-1, 0, 1, -1, -1, 1, -1, 0, 1, -1, 1, 1])
      var reads = 0
      for place in content.indices {
        for mask: UInt8 in [1, 4, 32, 128] {
          content[place] ^= mask
          if let layer = try read() {
            #expect(layer.matrix.codes.allSatisfy { (-1...1).contains($0) })
            #expect(layer.matrix.groupScales.allSatisfy { $0.isFinite && $0 > 0 })
            reads += 1
          }
          content[place] ^= mask
        }
      }
      // Flips in the numbers of the bias, for instance.
      #expect(reads > 0)
    }
  }
}
