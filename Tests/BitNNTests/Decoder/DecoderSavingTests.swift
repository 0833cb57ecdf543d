import BitCore
import BitFiles
import BitFormats
import Foundation
import TestSupport
import Testing

@testable import BitNN

/// Folders in the form of Hugging Face.
@Suite struct DecoderSavingTests {
  @Test(arguments: DecoderSample.all)
  func savedAndLoaded(_ sample: DecoderSample) throws {
    let model = sample.model()
    try withFolder { folder in
      let path = "\(folder)/model"
      try model.save(toFolder: path)
      let loaded = try DecoderModel(ModelFile(path: path))
      #expect(sameParameters(loaded, model))
      var expected = model.configuration
      if !expected.hasProjectionNorms {
        // Of no use without such norms.
        expected.projectionNormEpsilon = loaded.configuration.projectionNormEpsilon
      }
      #expect(loaded.configuration == expected)
      let (tokens, _) = DecoderSample.texts(count: 2, positions: 7, vocabulary: 40)
      #expect(sameBits(loaded(tokens, positions: 7), model(tokens, positions: 7)))
      // Over itself, and from what was loaded.
      try loaded.save(toFolder: path)
      #expect(try sameParameters(DecoderModel(ModelFile(path: path)), model))
    }
  }

  /// What transformers needs: its names, float32 latent weights, and how they are used.
  @Test func filesOfABitLinearModel() throws {
    let model = DecoderSample.named("llama").model().insertingSubNorms().bitLinear(.b158)
    try withFolder { folder in
      try model.save(toFolder: folder)
      let file = try SafetensorsFile(path: "\(folder)/model.safetensors")
      #expect(file.metadata["format"] == "pt")
      #expect(Set(file.tensors.map(\.name)) == Set(model.parameters().map(\.name)))
      #expect(file.tensors.allSatisfy { $0.dtype == .f32 })
      let config = try JSONValue(
        parsing: String(contentsOfFile: "\(folder)/config.json", encoding: .utf8))
      #expect(config["model_type"] == "bitnet")
      #expect(config["hidden_act"] == "silu")
      // Not those of another model.
      #expect(config["bos_token_id"] == .null && config["eos_token_id"] == .null)
      let quantization = config["quantization_config"]
      #expect(quantization?["quant_method"] == "bitnet")
      #expect(quantization?["linear_class"] == "autobitlinear")
      #expect(quantization?["quantization_mode"] == "online")
      #expect(FileManager.default.fileExists(atPath: "\(folder)/generation_config.json"))
    }
  }

  @Test func normsOfProjectionsHaveTheirNameInTheFile() throws {
    let model = DecoderSample.named("norms of projections").model()
    try withFolder { folder in
      try model.save(toFolder: folder)
      let names = try SafetensorsFile(path: "\(folder)/model.safetensors").tensors.map(\.name)
      #expect(names.contains("model.layers.1.mlp.down_proj.rms_norm.weight"))
      #expect(!names.contains { $0.hasSuffix("_proj.norm.weight") })
    }
  }

  @Test(arguments: [
    ("recipe", "q_proj"), ("groups", "groups 2"), ("packed", "packed"), ("mixed", "o_proj"),
    ("output", "output layer"), ("bias", "up_proj"), ("divisors", "Llama 3.1"),
  ])
  func whatFilesCannotDescribe(_ name: String, _ part: String) throws {
    let llama = DecoderSample.named("llama").model()
    var model = llama.bitLinear(.b158)
    switch name {
    case "recipe": model = llama.bitLinear(.bitnet)
    case "groups": model = llama.bitLinear(.b158, groups: 2)
    case "packed": model = model.packed()
    case "mixed":
      model = llama.quantized(.b158WithoutNorm) { name, _ in
        name != "lm_head" && name != "model.layers.1.self_attn.o_proj"
      }
    case "output": model = llama.quantized(.b158WithoutNorm)
    case "bias":
      model = llama
      model.layers[1].feedForward.upProjection.bias = .zeros([24])
    default:
      model.configuration.rotary.scaling = .divisors([7, 1])
    }
    try withFolder { folder in
      let path = "\(folder)/model"
      expectError(.unsupported, path, part) { try model.save(toFolder: path) }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }

  @Test func weightsThatAreNotFinite() throws {
    var model = DecoderSample.named("llama").model()
    model.layers[1].attention.keyProjection.weight[3, 2] = .nan
    try withFolder { folder in
      expectError(.notFinite, folder, "model.layers.1.self_attn.k_proj.weight") {
        try model.save(toFolder: folder)
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(names.isEmpty)
    }
  }

  /// Whatever interrupts saving, no configuration describes other tensors.
  @Test func anOldConfigurationGoesFirst() throws {
    let model = DecoderSample.named("llama").model()
    try withFolder { folder in
      try model.save(toFolder: folder)
      // A folder where the tensors should be cannot be replaced.
      try FileManager.default.removeItem(atPath: "\(folder)/model.safetensors")
      try FileManager.default.createDirectory(
        atPath: "\(folder)/model.safetensors/x", withIntermediateDirectories: true)
      #expect(throws: InputError.self) { try model.save(toFolder: folder) }
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/config.json"))
    }
  }

  @Test func projectionsOfChoice() throws {
    let model = DecoderSample.named("llama b158").model()
    try withFolder { folder in
      try model.save(toFolder: folder)
      let file = try ModelFile(path: folder)
      // As floats they would be another model.
      #expect(throws: InputError.self) { _ = try DecoderModel(file, projections: .float) }
      let signs = try DecoderModel(file, projections: .bitLinear(.bitnet))
      #expect(signs.bitLinears().count == 14 && sameParameters(signs, model))
      #expect(signs.bitLinears().allSatisfy { $0.layer.recipe.weights == .sign })
    }
  }
}
