@testable import BitFiles
@testable import BitConversion
import BitCore
import BitFormats
import Foundation
import Testing

/// Layers with a bias and a norm compute the same bits after every conversion.
@Suite struct ConvertedLayerTests {
  private static let name = "model.layers.0.self_attn.q_proj"
  private static let (rows, columns) = (8, 256)

  /// What a checkpoint of Hugging Face says about its layer.
  struct Hub: Sendable, CustomTestStringConvertible {
    let linearClass: HuggingFaceQuantization.LinearClass
    let usesRMSNorm: Bool
    /// Whether GGUF has other names for its tensors.
    let isBitNet: Bool

    var testDescription: String {
      "\(linearClass.rawValue)\(usesRMSNorm ? ", norm" : "")\(isBitNet ? ", BitNet" : "")"
    }

    static let all = HuggingFaceQuantization.LinearClass.allCases.flatMap { linearClass in
      [(false, false), (false, true), (true, false), (true, true)].map {
        Hub(linearClass: linearClass, usesRMSNorm: $0.0, isBitNet: $0.1)
      }
    }

    /// Numbers that can be scaled without rounding.
    func write(to folder: String) throws {
      let codes = randomCodes(rows * columns, seed: 11)
      let packing = try HuggingFacePacking(rows: rows, columns: columns, source: name)
      let bytes = try packing.pack(packedRows: 0..<rows / 4, source: name) {
        Array(codes[$0.lowerBound * columns..<$0.upperBound * columns])
      }
      var entries = [
        SafetensorsEntry("\(name).weight", dtype: .u8, shape: [rows / 4, columns], bytes: bytes),
        SafetensorsEntry(
          "\(name).weight_scale", Tensor([linearClass == .bitlinear ? 0.5 : 0.75]), dtype: .bf16),
        SafetensorsEntry("\(name).bias", Tensor((0..<rows).map { Float($0) - 2.5 }), dtype: .f16),
      ]
      if usesRMSNorm {
        entries.append(
          SafetensorsEntry(
            "\(name).rms_norm.weight", Tensor((0..<columns).map { 1 + Float($0) / 64 }),
            dtype: .bf16))
      }
      try SafetensorsWriter.write(entries, to: "\(folder)/model.safetensors")
      let config: JSONValue = [
        "model_type": isBitNet ? "bitnet" : "other", "hidden_act": "relu2",
        "quantization_config": [
          "quant_method": "bitnet", "linear_class": .string(linearClass.rawValue),
          "use_rms_norm": .bool(usesRMSNorm), "rms_norm_eps": 0.001,
        ],
      ]
      try AtomicFile.write(config.encoded, to: "\(folder)/config.json")
    }
  }

  private static func layer(_ path: String, _ type: ConversionType) throws -> PackedBitLinear {
    let checkpoint = try ShardedSafetensors(path: path)
    guard type == .hf else { return try checkpoint.files[0].packedLayer(name) }
    let quantization = try #require(try checkpoint.quantization())
    return try HuggingFaceLayer(name, from: checkpoint, quantization: quantization).packedLayer()
  }

  private static let input = Tensor((0..<3 * columns).map { Float(($0 * 37) % 101) - 47 })
    .reshaped([3, 256])

  /// Expects that the layer computes the same after conversions to some types in turn.
  private func expect(
    _ path: String, _ expected: PackedBitLinear, through types: [ConversionType],
    in folder: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var path = path
    for (index, type) in types.enumerated() {
      let out = "\(folder)/\(index)-\(UUID().uuidString)" + (type.suffix == "gguf" ? ".gguf" : "/")
      try convert(path, out, ConversionOptions(type: type))
      path = out
    }
    let layer = try Self.layer(path, try #require(types.last))
    #expect(layer.recipe == expected.recipe, sourceLocation: sourceLocation)
    #expect(layer.bias?.scalars == expected.bias?.scalars, sourceLocation: sourceLocation)
    // A norm of ones is one without a weight.
    let ones = Tensor(repeating: 1, shape: [Self.columns])
    #expect(
      layer.normWeight ?? ones == expected.normWeight ?? ones, sourceLocation: sourceLocation)
    #expect(layer.normBias == expected.normBias, sourceLocation: sourceLocation)
    #expect(
      bits(layer(Self.input).scalars) == bits(expected(Self.input).scalars),
      sourceLocation: sourceLocation)
    // By the one call for every format.
    let read = try ModelFile(path: path).packedLayer(Self.name)
    #expect(
      bits(read(Self.input).scalars) == bits(expected(Self.input).scalars),
      sourceLocation: sourceLocation)
  }

  /// Layers of GGUF files are run with what the file or the caller says about their input.
  @Test func packedLayersOfGGUF() throws {
    try withTemporaryFolder { folder in
      let matrix = try CodeMatrix(
        codes: randomCodes(Self.rows * Self.columns, seed: 21), rows: Self.rows,
        columns: Self.columns, alphabet: .ternary, scales: .groups([0.75]))
      let layer = try PackedBitLinear(
        matrix: matrix, bias: Tensor((0..<Self.rows).map { Float($0) }), recipe: .b158)
      let (own, gguf) = ("\(folder)/in.safetensors", "\(folder)/out.gguf")
      try PackedLayerFile.write([(Self.name, layer)], to: own)
      try Conversion(ModelFile(path: own), to: gguf).write()
      let read = try ModelFile(path: gguf).packedLayer(Self.name)
      #expect(bits(read(Self.input).scalars) == bits(layer(Self.input).scalars))

      let coded = CodedTensor(matrix, source: "test")
      try GGUFWriter.write(
        [
          GGUFEntry("\(Self.name).weight", coded, type: .tq2_0),
          GGUFEntry("\(Self.name).bias", try #require(layer.bias)),
          GGUFEntry("n.weight", Tensor([1])),
        ], metadata: [:], to: gguf)
      let model = try ModelFile(path: gguf)
      let given = try model.packedLayer(Self.name, recipe: .b158)
      #expect(bits(given(Self.input).scalars) == bits(layer(Self.input).scalars))
      for (name, kind) in [
        (Self.name, InputError.Kind.unsupported), ("n", .mismatch), ("nobody", .missing),
      ] {
        let error = #expect(throws: InputError.self) { try model.packedLayer(name) }
        #expect(error?.kind == kind && error?.source.hasPrefix(gguf) == true, "\(name)")
      }
    }
  }

  @Test(
    arguments: Hub.all,
    [
      [.hf], [.bitlinear], [.bitlinear, .hf], [.tq2_0, .hf], [.i2_s, .bitlinear],
      [.bitlinear, .tq1_0, .hf], [.bitlinear, .i2_s, .bitlinear], [.q2_0, .tq2_0, .bitlinear, .hf],
    ] as [[ConversionType]])
  func fromHuggingFace(hub: Hub, types: [ConversionType]) throws {
    try withTemporaryFolder { folder in
      try hub.write(to: folder)
      let expected = try Self.layer(folder, .hf)
      // The scale of one class multiplies the bias as well.
      let bias: Float = hub.linearClass == .bitlinear ? -1.5 : -1.5 * 0.75
      #expect(expected.bias?.scalars[1] == bias)
      #expect((expected.normWeight != nil) == hub.usesRMSNorm)
      try expect(folder, expected, through: types, in: folder)
    }
  }

  /// This project's layers, of which Hugging Face has only some.
  @Test(arguments: [
    (QuantizationRecipe.b158, false), (.b158, true), (.bitnet, false),
    (
      QuantizationRecipe(
        weights: .sign, activations: ActivationQuantizer(granularity: .token),
        normalization: .layer(epsilon: 0.01)), true
    ),
  ])
  func fromPackedLayers(recipe: QuantizationRecipe, hasNormWeight: Bool) throws {
    try withTemporaryFolder { folder in
      let matrix = try CodeMatrix(
        codes: randomCodes(Self.rows * Self.columns, seed: 12, alphabet: recipe.weights),
        rows: Self.rows, columns: Self.columns, alphabet: recipe.weights, scales: .groups([0.75]))
      let weight = Tensor((0..<Self.columns).map { 1 - Float($0) / 128 })
      let isLayer = recipe.normalization != nil && recipe.normalization != .rms()
      let layer = try PackedBitLinear(
        matrix: matrix, bias: Tensor((0..<Self.rows).map { 1.5 * Float($0) }), recipe: recipe,
        normWeight: hasNormWeight ? weight : nil, normBias: isLayer ? weight : nil)
      let path = "\(folder)/in"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      try PackedLayerFile.write([(Self.name, layer)], to: "\(path)/model.safetensors")
      let isSign = recipe.weights == .sign
      for model in ["other", "bitnet"] {
        try AtomicFile.write(#"{"model_type":"\#(model)"}"#, to: "\(path)/config.json")
        try expect(path, layer, through: [.bitlinear], in: folder)
        try expect(path, layer, through: [isSign ? .q1_0 : .tq2_0, .bitlinear], in: folder)
        if !isSign {
          try expect(path, layer, through: [.hf], in: folder)
          try expect(path, layer, through: [.i2_s, .tq1_0, .hf], in: folder)
          try expect(path, layer, through: [.hf, .i2_s, .bitlinear], in: folder)
        }
      }
      if isSign {
        let error = #expect(throws: InputError.self) {
          try convert(path, "\(folder)/hub/", ConversionOptions(type: .hf))
        }
        #expect(error?.source.contains(Self.name) == true)
      }
    }
  }

  /// Not every bias is the product of a float and the scale.
  @Test func biasesThatAreNoProducts() throws {
    try withTemporaryFolder { folder in
      let codes = randomCodes(Self.rows * Self.columns, seed: 13)
      let matrix = try CodeMatrix(
        codes: codes, rows: Self.rows, columns: Self.columns, alphabet: .ternary,
        scales: .groups([0.1]))
      var recipe = QuantizationRecipe.b158
      recipe.normalization = nil
      let bias = (0..<Self.rows).map { 1 / (3 + Float($0)) }
      let layer = try PackedBitLinear(matrix: matrix, bias: Tensor(bias), recipe: recipe)
      let (path, out) = ("\(folder)/in.safetensors", "\(folder)/out/")
      try PackedLayerFile.write([(Self.name, layer)], to: path)
      let error = #expect(throws: InputError.self) {
        try convert(path, out, ConversionOptions(type: .hf))
      }
      #expect(error?.source == "\(path), tensor \"\(Self.name).bias\"")
      #expect(error?.found.contains("a bias that cannot be scaled exactly") == true)
      try convert(path, out, ConversionOptions(type: .hf, isLossy: true))
      let stored = try ShardedSafetensors(path: out).tensor("\(Self.name).bias").scalars
      #expect(stored == bias.map { $0 / 0.1 })
      let read = try #require(try Self.layer(out, .hf).bias).scalars
      #expect(zip(read, bias).allSatisfy { abs($0 - $1) <= $1.ulp })
    }
  }
}
