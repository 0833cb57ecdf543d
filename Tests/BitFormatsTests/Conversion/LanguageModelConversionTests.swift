import BitCore
import BitFiles
import BitTokenizers
import Foundation
import Testing

@testable import BitConversion
@testable import BitFormats

/// Whole language models between Hugging Face folders and GGUF, and back.
@Suite struct LanguageModelConversionTests {
  private static func path(_ name: String) throws -> String {
    try DecoderConfigurationTests.path("lm/\(name)")
  }

  @discardableResult
  private static func convert(
    _ path: String, to out: String, _ options: ConversionOptions = ConversionOptions(),
    warnings: [String] = []
  ) throws -> Conversion {
    let conversion = try Conversion(ModelFile(path: path), to: out, options: options)
    #expect(conversion.warnings == warnings)
    try conversion.write(verifying: true)
    return conversion
  }

  private static func configuration(_ path: String) throws -> DecoderConfiguration {
    try DecoderConfiguration(ModelFile(path: path))
  }

  /// The ids of some texts, with special tokens in them.
  private static func ids(_ definition: TokenizerDefinition) throws -> [[Int32]] {
    let tokenizer = try Tokenizer(definition)
    return try [
      "Hello world, 12345!", "<|begin_of_text|>User: hi<|eot_id|>", "  \u{e9}\u{4e16}\n\n x", "",
    ].flatMap { text in
      [try tokenizer.encode(text), try tokenizer.encode(text, addSpecialTokens: false)]
    }
  }

  private static func vocabulary(_ path: String) throws -> TokenizerDefinition {
    let metadata = try #require(ModelFile(path: path).ggufMetadata)
    let vocabulary = try GGUFVocabulary(metadata, source: path)
    return try TokenizerDefinition(#require(vocabulary))
  }

  private static let floatWarning =
    "the weights become floats: other programs will not quantize the activations beside them"

  /// Expects the same numbers up to the last bit, which dividing by a scale may cost.
  private static func expectNear(
    _ a: [Float], _ b: [Float], _ name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let isNear = a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= $1.ulp }
    #expect(isNear, "\(name)", sourceLocation: sourceLocation)
  }

  /// Codes and scales, or numbers, of a tensor as the model means them.
  private static func values(_ tensor: ModelTensor) throws -> [Float] {
    try tensor.values(0..<tensor.rows)
  }

  @Test(arguments: [
    "bitnet-64-long", "llama-b158-256", "llama-b158-64-rope3", "qwen3-t128-tied",
    "qwen3-t128-untied", "qwen3-s128-untied",
  ])
  func `A folder becomes GGUF and a folder again`(name: String) throws {
    try withTemporaryFolder { folder in
      let (source, gguf, back) = (try Self.path(name), "\(folder)/m.gguf", "\(folder)/back")
      // No type of codes has rows of 160.
      let isWide = !name.contains("64")
      try Self.convert(
        source, to: gguf, ConversionOptions(type: isWide ? nil : .float),
        warnings: isWide ? [] : [Self.floatWarning])
      var middle = try Self.configuration(gguf)
      let expected = try Self.configuration(source)
      #expect(middle.isInterleaved == (expected.family == .llama))
      middle.isInterleaved = false
      if case .divisors = middle.rotary.scaling { middle.rotary = expected.rotary }
      #expect(middle == expected)
      try Self.convert(gguf, to: back)
      var found = try Self.configuration(back)
      if case .llama3(_, _, _, _) = expected.rotary.scaling {
        let (a, b) = (found.rotary.inverseFrequencies, expected.rotary.inverseFrequencies)
        #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 4 * $1.ulp })
        found.rotary = expected.rotary
      }
      #expect(found == expected)
      let (a, b) = (try ModelFile(path: source), try ModelFile(path: back))
      #expect(a.tensors.map(\.name).sorted() == b.tensors.map(\.name).sorted())
      for tensor in a.tensors {
        let other = try #require(b.tensors.first { $0.name == tensor.name })
        #expect(try Self.values(other) == Self.values(tensor), "\(tensor.name)")
        #expect(!isWide || (other.codes == nil) == (tensor.codes == nil), "\(tensor.name)")
      }
      let (first, last) = (
        try TokenizerDefinition(folder: source), try TokenizerDefinition(folder: back)
      )
      let ids = try Self.ids(first)
      #expect(try Self.ids(Self.vocabulary(gguf)) == ids && Self.ids(last) == ids)
      #expect(ids[0].count > 3 && first.chatTemplate != nil)
      #expect(last.chatTemplate == first.chatTemplate)
      #expect(last.endOfText == [313, 316] && last.beginOfText == 312)
    }
  }

  @Test(arguments: [("tq2_0", ConversionType.tq2_0), ("i2_s", .i2_s)])
  func `Rows of queries and keys are where other programs want them`(
    suffix: String, type: ConversionType
  ) throws {
    try withTemporaryFolder { folder in
      let out = "\(folder)/m.gguf"
      // The scales of the folder divide; halves are found again by rounding.
      try Self.convert(
        Self.path("llama-b158-256"), to: out,
        ConversionOptions(type: type, isLossy: type == .tq2_0))
      let golden = try GGUFFile(path: Self.path("gguf/llama-b158-256-\(suffix).gguf"))
      let made = try GGUFFile(path: out)
      #expect(Set(made.tensors.map(\.name)) == Set(golden.tensors.map(\.name)))
      for info in golden.tensors {
        let other = try #require(made[info.name])
        #expect(other.shape == info.shape)
        let rows = 0..<info.shape.dropLast().reduce(1, *)
        try Self.expectNear(
          made.values(info.name, rows: rows), golden.values(info.name, rows: rows), info.name)
        guard info.type == type.gguf else { continue }
        let count = type == .i2_s ? info.byteRange.count - 32 : info.byteRange.count
        let (a, b) = (
          try made.withUnsafeBytes(0..<count, of: other) { Array($0) },
          try golden.withUnsafeBytes(0..<count, of: info) { Array($0) }
        )
        #expect(a == b, "\(info.name)")
      }
      for entry in golden.metadata.entries
      where ["llama.", "general.", "tokenizer."].contains(where: { entry.key.hasPrefix($0) }) {
        #expect(made.metadata[entry.key] == entry.value, "\(entry.key)")
      }
    }
  }

  @Test func `Rows of F16 numbers and the divisors of Llama 3 are those of another program`() throws
  {
    try withTemporaryFolder { folder in
      // The folder holds packed weights; as floats they are those of the golden file.
      let (floats, out) = ("\(folder)/floats", "\(folder)/m.gguf")
      try Self.convert(
        Self.path("llama-b158-64-rope3"), to: floats, ConversionOptions(type: .float))
      try Self.convert(floats, to: out)
      let golden = try ModelFile(path: Self.path("gguf/llama-b158-64-rope3-f16.gguf"))
      let made = try ModelFile(path: out)
      #expect(made.tensors.count == golden.tensors.count)
      for tensor in golden.tensors {
        let other = try #require(made.tensors.first { $0.name == tensor.name })
        let (a, b) = (try Self.values(other), try Self.values(tensor))
        if tensor.name == "rope_freqs.weight" {
          #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 2 * $1.ulp } && a.count == 8)
        } else {
          Self.expectNear(a, b, tensor.name)
        }
      }
    }
  }

  @Test(arguments: ["64-q8_0", "64-q4_1", "256-q6_k"])
  func `An ordinary model becomes a folder of floats, and GGUF again`(name: String) throws {
    try withTemporaryFolder { folder in
      let source = try Self.path("gguf/llama-float-\(name).gguf")
      let (out, back) = ("\(folder)/hf", "\(folder)/back.gguf")
      try Self.convert(source, to: out)
      var expected = try Self.configuration(source)
      expected.isInterleaved = false
      #expect(try Self.configuration(out) == expected)
      let config = try #require(ModelFile(path: out).config)
      #expect(config["torch_dtype"] == "float32" && config["quantization_config"] == nil)
      try Self.convert(out, to: back)
      expected.isInterleaved = true
      #expect(try Self.configuration(back) == expected)
      let (a, b) = (try ModelFile(path: source), try ModelFile(path: back))
      for tensor in a.tensors {
        let other = try #require(b.tensors.first { $0.name == tensor.name })
        #expect(try Self.values(other) == Self.values(tensor), "\(tensor.name)")
      }
      // Rounded, the numbers take half the space.
      let small = "\(folder)/small"
      try Self.convert(source, to: small, ConversionOptions(isLossy: true))
      #expect(try ModelFile(path: small).config?["torch_dtype"] == "float16")
      #expect(try Self.configuration(small).family == .llama)
    }
  }

  @Test(arguments: ["q2_0", "pq2_0", "q2_0-g128-old"])
  func `Weights in blocks become floats of half precision`(type: String) throws {
    try withTemporaryFolder { folder in
      let conversion = try Self.convert(
        Self.path("gguf/qwen3-t128-tied-\(type).gguf"), to: "\(folder)/hf")
      #expect(conversion.type == .float)
      let (made, golden) = (
        try ModelFile(path: "\(folder)/hf"), try ModelFile(path: Self.path("qwen3-t128-tied"))
      )
      #expect(made.config?["torch_dtype"] == "float16")
      for tensor in golden.tensors {
        let other = try #require(made.tensors.first { $0.name == tensor.name })
        #expect(other.type == tensor.type)
        #expect(try Self.values(other) == Self.values(tensor), "\(tensor.name)")
      }
    }
  }

  @Test func `1bitLLM's models become those of the architecture bitnet`() throws {
    try withTemporaryFolder { folder in
      let source = "\(folder)/in"
      try FileManager.default.copyItem(
        atPath: DecoderConfigurationTests.path("tiny256-offline-f32"), toPath: source)
      var config = try #require(ModelFile(path: source).config)
      config["model_type"] = "llama"
      config["architectures"] = ["BitnetForCausalLM"]
      config["hidden_act"] = "silu"
      try AtomicFile.write(JSONValue.object(config).encoded, to: "\(source)/config.json")
      try Self.convert(
        source, to: "\(folder)/m.gguf", warnings: ["no tokenizer comes with the model"])
      let metadata = try #require(ModelFile(path: "\(folder)/m.gguf").ggufMetadata)
      #expect(metadata.architecture == "bitnet")
      #expect(metadata["bitnet.hidden_activation"] == .string("silu"))
      #expect(metadata["tokenizer.ggml.eos_token_id"] == .uint32(313))
      var expected = try Self.configuration(source)
      expected.isInterleaved = false
      #expect(try Self.configuration("\(folder)/m.gguf") == expected)
    }
  }

  @Test func `A model whose configuration lies is refused`() throws {
    try withTemporaryFolder { folder in
      let source = "\(folder)/in"
      try FileManager.default.copyItem(atPath: Self.path("qwen3-t128-tied"), toPath: source)
      var config = try #require(ModelFile(path: source).config)
      config["num_hidden_layers"] = 3
      try AtomicFile.write(JSONValue.object(config).encoded, to: "\(source)/config.json")
      let error = #expect(throws: InputError.self) {
        try Conversion(ModelFile(path: source), to: "\(folder)/m.gguf")
      }
      #expect(error?.expected.hasPrefix("3 layers") == true)
    }
  }

  @Test func `What stays behind is said`() throws {
    try withTemporaryFolder { folder in
      let source = "\(folder)/in"
      try FileManager.default.copyItem(atPath: Self.path("qwen3-t128-tied"), toPath: source)
      var config = try #require(ModelFile(path: source).config)
      config["some_number"] = 3
      try AtomicFile.write(JSONValue.object(config).encoded, to: "\(source)/config.json")
      try AtomicFile.write(
        #"{"eos_token_id": 2, "temperature": 0.6}"#, to: "\(source)/generation_config.json")
      let tokenizer = #"{"model": {"type": "WordPiece", "vocab": {}}}"#
      try AtomicFile.write(tokenizer, to: "\(source)/tokenizer.json")
      let conversion = try Conversion(ModelFile(path: source), to: "\(folder)/m.gguf")
      #expect(conversion.warnings.count == 2)
      #expect(
        conversion.warnings.first
          == #"not carried: "some_number", "generation_config.json temperature""#)
      #expect(conversion.warnings.last?.hasPrefix("the tokenizer is not carried") == true)
      let single = try Conversion(
        ModelFile(path: Self.path("gguf/llama-float-64-q8_0.gguf")),
        to: "\(folder)/m.safetensors")
      #expect(single.warnings.first?.contains("no room for config.json") == true)
    }
  }
}
