import BitConversion
import BitCore
@testable import BitFiles
import BitFormats
import Foundation
import Testing

/// What a model file is, for conversion, quantization and inspection alike.
@Suite struct ModelFileTests {
  private func refused(
    _ path: String, _ body: (String) throws -> Void = { _ = try ModelFile(path: $0) }
  ) throws -> InputError {
    try #require(#expect(throws: InputError.self) { try body(path) })
  }

  // MARK: - Parts of a model

  /// Two shards and their index.
  private func writeShards(_ folder: String) throws -> [String] {
    let names = (1...2).map { "model-0000\($0)-of-00002.safetensors" }
    for (index, name) in names.enumerated() {
      try SafetensorsWriter.write(
        [SafetensorsEntry("t\(index)", Tensor([Float(index)]))], to: "\(folder)/\(name)")
    }
    try AtomicFile.write(
      #"{"weight_map":{"t0":"\#(names[0])","t1":"\#(names[1])"}}"#,
      to: "\(folder)/model.safetensors.index.json")
    return names.map { "\(folder)/\($0)" }
  }

  @Test func oneShardLeadsToAll() throws {
    try withTemporaryFolder { folder in
      for path in try writeShards(folder) {
        #expect(try ModelFile(path: path).tensors.map(\.name) == ["t0", "t1"])
      }
      try FileManager.default.removeItem(atPath: "\(folder)/model.safetensors.index.json")
      let error = try refused("\(folder)/model-00002-of-00002.safetensors")
      #expect(error.kind == .missing && error.found == "one part of a model without its index")
      // Such a name alone says nothing.
      let whole = "\(folder)/whole-00001-of-00001.safetensors"
      try SafetensorsWriter.write([SafetensorsEntry("x", Tensor([1]))], to: whole)
      #expect(try ModelFile(path: whole).tensors.count == 1)
    }
  }

  @Test func aShardThatTheIndexDoesNotNameIsRefused() throws {
    try withTemporaryFolder { folder in
      let path = try writeShards(folder)[1]
      try AtomicFile.write(
        #"{"weight_map":{"t0":"model-00001-of-00002.safetensors"}}"#,
        to: "\(folder)/model.safetensors.index.json")
      #expect(try refused(path).kind == .mismatch)
    }
  }

  @Test func aFileBesideAnIndexIsWarnedOf() throws {
    try withTemporaryFolder { folder in
      _ = try writeShards(folder)
      #expect(try ModelFile(path: folder).warnings == [])
      try SafetensorsWriter.write(
        [SafetensorsEntry("stray", Tensor([1]))], to: "\(folder)/model.safetensors")
      let model = try ModelFile(path: folder)
      #expect(model.tensors.map(\.name) == ["stray"])
      #expect(model.warnings.count == 1)
      #expect(model.warnings[0].contains("the index is not used"))
    }
  }

  // MARK: - Codes in another packing

  /// A layer `[rows, columns]` of this project's row packing without its metadata, as other programs'
  /// save functions leave it, beside a configuration for `hidden` features.
  private func writeForeign(_ folder: String, model: String, hidden: Int) throws {
    try SafetensorsWriter.write(
      [
        SafetensorsEntry(
          "model.layers.0.mlp.gate_proj.weight", dtype: .u8, shape: [64, 16],
          bytes: [UInt8](repeating: 0b01_01_01_01, count: 64 * 16)),
        SafetensorsEntry("model.layers.0.mlp.gate_proj.weight_scale", Tensor([1])),
      ], to: "\(folder)/model.safetensors")
    try AtomicFile.write(
      #"{"model_type":"\#(model)","hidden_size":\#(hidden),"intermediate_size":\#(4 * hidden),"#
        + #""num_attention_heads":2,"quantization_config":{"quant_method":"bitnet"}}"#,
      to: "\(folder)/config.json")
  }

  @Test func shapesThatContradictTheConfigurationAreRefused() throws {
    try withTemporaryFolder { folder in
      // Read as Hugging Face packs, these are 256 x 16 codes.
      try writeForeign(folder, model: "bitnet", hidden: 64)
      let error = try refused(folder)
      #expect(error.kind == .mismatch)
      #expect(error.source.contains("model.layers.0.mlp.gate_proj.weight"))
      #expect(error.found == "U8 codes of shape [256, 16]")
      #expect(error.expected.hasPrefix("[256, 64], as config.json says"))
      try writeForeign(folder, model: "bitnet", hidden: 16)
      // 4 x 16 intermediate features do not fit either.
      #expect(try refused(folder).expected.hasPrefix("[64, 16]"))
      // Of models that are not known, nothing is expected.
      try writeForeign(folder, model: "other", hidden: 64)
      #expect(try ModelFile(path: folder).tensors.count == 1)
    }
  }

  // MARK: - Tensors of experts

  /// A matrix for each of three experts.
  private func writeExperts(_ path: String) throws {
    let coded = try CodedTensor(
      codes: randomCodes(24 * 256, seed: 5), rows: 24, columns: 256, scaleKind: .tensor,
      scales: [0.5], source: "test")
    let bytes = try coded.ggufBytes(.tq2_0)
    try GGUFWriter.write(
      [GGUFEntry("blk.0.ffn_gate_exps.weight", type: .tq2_0, shape: [3, 8, 256], bytes: bytes)],
      metadata: ["general.architecture": .string("qwen3moe")], to: path)
  }

  @Test func expertsKeepTheirShapeOrAreRefused() throws {
    try withTemporaryFolder { folder in
      let (path, out) = ("\(folder)/moe.gguf", "\(folder)/out.safetensors")
      try writeExperts(path)
      let source = try ModelFile(path: path)
      for type in [nil, ConversionType.hf, .bitlinear] {
        let error = try refused(out) {
          try Conversion(source, to: $0, options: ConversionOptions(type: type)).write()
        }
        #expect(error.source == "\(path), tensor \"blk.0.ffn_gate_exps.weight\"")
        #expect(error.found == "codes of shape [3, 8, 256]")
        #expect(!FileManager.default.fileExists(atPath: out))
      }
      for type in [ConversionType.tq2_0, .tq1_0, .i2_s] {
        let conversion = try Conversion(
          source, to: "\(folder)/out.gguf", options: ConversionOptions(type: type))
        try conversion.write(verifying: true)
        #expect(try ModelFile(path: "\(folder)/out.gguf").tensors[0].shape == [3, 8, 256])
      }
      // A result with another shape is no result.
      let conversion = try Conversion(source, to: "\(folder)/out.gguf")
      try conversion.write()
      let flat = try source.tensors[0].values(0..<24)
      try GGUFWriter.write(
        [GGUFEntry("blk.0.ffn_gate_exps.weight", Tensor(flat, shape: [24, 256]), type: .tq2_0)],
        metadata: [:], to: "\(folder)/out.gguf")
      let error = try refused("\(folder)/out.gguf") { _ in try conversion.verify() }
      #expect(error.found == "[24, 256]" && error.expected.hasPrefix("[3, 8, 256]"))
    }
  }

  // MARK: - Models of 1bitLLM

  @Test func olderBitNetModelsAreRecognized() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/m"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      let layer = "model.layers.0"
      var generator = SeededGenerator(seed: 3)
      try SafetensorsWriter.write(
        [
          SafetensorsEntry("\(layer).mlp.gate_proj.weight", generator.normal([512, 256])),
          SafetensorsEntry(
            "\(layer).self_attn.inner_attn_ln.weight", Tensor(repeating: 1, shape: [256])),
          SafetensorsEntry("\(layer).mlp.ffn_layernorm.weight", Tensor(repeating: 1, shape: [512])),
          SafetensorsEntry("\(layer).self_attn.rotary_emb.inv_freq", Tensor([1, 0.1])),
        ], to: "\(path)/model.safetensors")
      try AtomicFile.write(
        #"{"architectures":["BitnetForCausalLM"],"model_type":"llama","hidden_size":256,"#
          + #""intermediate_size":512,"num_attention_heads":4,"num_hidden_layers":1,"#
          + #""hidden_act":"silu","rope_theta":10000.0,"rms_norm_eps":1e-05}"#,
        to: "\(path)/config.json")
      let quantized = try QuantizedModel(
        ModelFile(path: path),
        QuantizationRecipe(
          weights: .ternary, activations: ActivationQuantizer(), normalization: nil))
      try Conversion(
        quantized.model, to: "\(folder)/m.gguf",
        options: ConversionOptions(type: .tq2_0, isLossy: true)
      ).write()
      let file = try GGUFFile(path: "\(folder)/m.gguf")
      #expect(
        Set(file.tensors.map(\.name)) == [
          "blk.0.ffn_gate.weight", "blk.0.attn_sub_norm.weight", "blk.0.ffn_sub_norm.weight",
        ])
      #expect(file.metadata.architecture == "bitnet")
    }
  }

  // MARK: - What must not slip through

  /// A Hugging Face model of one layer of 4 x 64 codes, in a folder.
  private func writeLayer(
    _ folder: String, byte: UInt8 = 0b01_01_01_01, hasNorm: Bool = false
  ) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var entries = [
      SafetensorsEntry(
        "l.weight", dtype: .u8, shape: [1, 64], bytes: [byte] + [UInt8](repeating: 0, count: 63)),
      SafetensorsEntry("l.weight_scale", Tensor([0.5])),
      SafetensorsEntry("l.bias", Tensor([1, 2, 3, 1.1])),
    ]
    if hasNorm {
      entries.append(
        SafetensorsEntry("l.rms_norm.weight", Tensor((0..<64).map { 1 + Float($0) / 64 })))
    }
    try writeCheckpoint(
      entries, HuggingFaceQuantization(linearClass: .autobitlinear, usesRMSNorm: hasNorm),
      to: folder)
  }

  @Test func codesThatAreOnlyCopiedAreChecked() throws {
    try withTemporaryFolder { folder in
      let out = "\(folder)/out"
      try writeLayer("\(folder)/in", byte: 0b11)
      let source = try ModelFile(path: "\(folder)/in")
      let error = try refused(out) { try Conversion(source, to: $0).write() }
      #expect(error.found == "code 3 in row 0, column 0")
      // Nothing is left, not even the folder.
      #expect(!FileManager.default.fileExists(atPath: out))
    }
  }

  @Test func aBiasComesBackFromWhatItWasScaledFor() throws {
    try withTemporaryFolder { folder in
      try writeLayer("\(folder)/in")
      let (own, back) = ("\(folder)/own.safetensors", "\(folder)/back")
      try Conversion(ModelFile(path: "\(folder)/in"), to: own, options: .init(type: .bitlinear))
        .write(verifying: true)
      try Conversion(ModelFile(path: own), to: back, options: .init(type: .hf))
        .write(verifying: true)
      let stored = try ShardedSafetensors(path: back).tensor("l.bias").scalars
      #expect(stored == [1, 2, 3, 1.1])
    }
  }

  @Test func aConfigurationOfAnotherModelIsNotLeftInPlace() throws {
    try withTemporaryFolder { folder in
      let plain = "\(folder)/plain.safetensors"
      try SafetensorsWriter.write([SafetensorsEntry("x", Tensor([1]))], to: plain)
      try writeLayer("\(folder)/old")
      let before = try bytes(ofFile: "\(folder)/old/model.safetensors")
      let source = try ModelFile(path: plain)
      let error = try refused("\(folder)/old/") { try Conversion(source, to: $0).write() }
      #expect(error.source == "\(folder)/old/config.json" && error.kind == .mismatch)
      #expect(try bytes(ofFile: "\(folder)/old/model.safetensors") == before)
    }
  }

  @Test func layersOfGGUFKeepTheirNorm() throws {
    try withTemporaryFolder { folder in
      try writeLayer("\(folder)/in", hasNorm: true)
      let model = try ModelFile(path: "\(folder)/in")
      let gguf = "\(folder)/out.gguf"
      // 64 columns fit the blocks of Q2_0 alone.
      try Conversion(model, to: gguf, options: .init(type: .q2_0)).write(verifying: true)
      let (first, second) = (
        try model.packedLayer("l"), try ModelFile(path: gguf).packedLayer("l")
      )
      #expect(second.normWeight == first.normWeight && first.normWeight != nil)
      #expect(second.recipe == first.recipe)
    }
  }

  @Test func aScaleInATensorOfItsOwnIsNotIgnored() throws {
    try withTemporaryFolder { folder in
      let coded = try CodedTensor(
        codes: randomCodes(256, seed: 2), rows: 1, columns: 256, scaleKind: .tensor, scales: [1],
        source: "test")
      let path = "\(folder)/x.gguf"
      try GGUFWriter.write(
        [GGUFEntry("l.weight", coded, type: .tq2_0), GGUFEntry("l.scale", Tensor([2]))],
        metadata: [:], to: path)
      let model = try ModelFile(path: path)
      let error = try refused(path) { _ in _ = try model.packedLayer("l", recipe: .b158) }
      #expect(error.kind == .unsupported && error.source.contains("l.scale"))
    }
  }

  /// Scales that were rounded are compared with what they were to become, and the words say so.
  @Test func roundedScalesAreVerifiedToo() throws {
    try withTemporaryFolder { folder in
      let (a, b) = ("\(folder)/a.safetensors", "\(folder)/b.gguf")
      try ConversionSample(scales: [0.1]).writePacked(a)
      let conversion = try Conversion(
        ModelFile(path: a), to: b, options: .init(type: nil, isLossy: true))
      #expect(!conversion.reason.contains("exactly"))
      try conversion.write(verifying: true)
      var content = try bytes(ofFile: b)
      // The half 0x2e66 of the first block becomes another one.
      let index = try #require(
        content.indices.dropLast().first {
          content[$0] == 0x66 && content[$0 + 1] == 0x2e
        })
      content[index] = 0x67
      try Data(content).write(to: URL(fileURLWithPath: b))
      let error = try refused(b) { _ in try conversion.verify() }
      #expect(error.found.hasPrefix("the scale "))
    }
  }

  @Test func theListOfLayersThatStayFloatsIsOfTheTarget() throws {
    try withTemporaryFolder { folder in
      let gguf = "\(folder)/m.gguf"
      let weight = Tensor((0..<64).map { Float($0) - 31 }).reshaped([4, 16])
      try GGUFWriter.write(
        ["token_embd.weight", "output.weight", "blk.0.ffn_up.weight", "blk.0.ffn_gate.weight"].map {
          GGUFEntry($0, weight)
        }, metadata: ["general.architecture": .string("bitnet-b1.58")], to: gguf)
      func list(_ choice: (String) -> WeightChoice) throws -> [String]? {
        let quantized = try QuantizedModel(
          ModelFile(path: gguf),
          QuantizationRecipe(
            weights: .ternary, activations: QuantizationRecipe.b158.activations,
            normalization: nil),
          choice: choice)
        let out = "\(folder)/out"
        try Conversion(quantized.model, to: out, options: .init(type: .hf, isLossy: true)).write()
        return try ShardedSafetensors(path: out).quantization()?.modulesToNotConvert
      }
      #expect(try list(WeightChoice.byName) == nil)
      #expect(
        try list { $0.contains("gate") ? .keep("asked") : WeightChoice.byName($0) }
          == ["lm_head", "model.layers.0.mlp.gate_proj"])
      // A head that is packed must not be taken for the usual float one.
      #expect(try list { _ in .quantize } == [])
    }
  }
}
