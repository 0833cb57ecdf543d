@testable import BitConversion
import BitCore
import BitFormats
import Foundation
import Testing

/// One model in all formats, written by other programs: from each to every type, and on to every
/// other, with the bytes of the other programs wherever they have such a file.
@Suite struct TinyModelConversionTests {
  private static let hub = "tiny256-offline-f32"
  private static let sources = [
    hub, "gguf/tiny256-tq1_0.gguf", "gguf/tiny256-tq2_0.gguf", "gguf/tiny256-i2_s-x86.gguf",
    "gguf/tiny256-i2_s-arm.gguf",
  ]
  private static let types: [ConversionType] = [.hf, .bitlinear, .tq1_0, .tq2_0, .q2_0, .i2_s]
  /// The only numbers that GGUF has in another type: F16, which holds them exactly.
  private static let embedding = "model.embed_tokens.weight"

  private static func path(_ name: String) throws -> String {
    try #require(
      Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Golden")
    ).path
  }

  private static func open(_ path: String) throws -> ModelFile {
    // Nothing in the file tells that it is in the layout of ARM.
    let layout: I2SLayout? = path.hasSuffix("-arm.gguf") ? .arm : nil
    return try ModelFile(path: path, options: GGUFOptions(i2sLayout: layout))
  }

  /// Converts into a new file, or a folder for safetensors.
  private static func convert(
    _ path: String, to type: ConversionType, _ folder: String
  ) throws -> String {
    let out = "\(folder)/\(UUID().uuidString)" + (type.suffix == "gguf" ? ".gguf" : "/")
    try Conversion(open(path), to: out, options: ConversionOptions(type: type)).write()
    return out
  }

  /// What a tensor holds: codes with their different scales, or numbers.
  private struct Content: Equatable {
    var codes: [Int8]?
    var numbers: Set<Float> = []
    var values: [Float] = []

    init(_ tensor: ModelTensor) throws {
      if case .codes(let coded) = tensor.content {
        let read = try coded.rows(0..<coded.rows)
        (codes, numbers) = (read.codes, Set(read.scales))
      } else {
        values = try tensor.values(0..<tensor.rows)
      }
    }
  }

  private static let expected = Result {
    try ModelFile(path: path(hub)).tensors.map { ($0.name, try Content($0)) }
  }

  /// Expects the tensors of the model, and the bytes of other programs where there are such.
  private static func expectModel(
    _ path: String, _ type: ConversionType, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try self.expected.get()
    let made = try ModelFile(path: path)
    let names = type.suffix == "gguf" ? Self.names : [:]
    #expect(made.tensors.count == expected.count, sourceLocation: sourceLocation)
    for (name, content) in expected {
      let name = names[name] ?? name
      let found = try #require(
        made.tensors.first { $0.name == name }, "\(name)", sourceLocation: sourceLocation)
      #expect(try Content(found) == content, "\(name)", sourceLocation: sourceLocation)
    }
    try expectBytes(path, type, sourceLocation: sourceLocation)
  }

  private static func expectBytes(
    _ path: String, _ type: ConversionType, sourceLocation: SourceLocation
  ) throws {
    switch type {
    case .hf:
      let golden = try ShardedSafetensors(path: self.path(hub))
      let made = try ShardedSafetensors(path: path)
      #expect(
        made.tensors.map(\.name).sorted() == golden.tensors.map(\.name).sorted(),
        sourceLocation: sourceLocation)
      for tensor in golden.tensors where tensor.name != embedding {
        #expect(
          try made.file(of: tensor.name).withUnsafeBytes(of: tensor.name) { Array($0) }
            == golden.file(of: tensor.name).withUnsafeBytes(of: tensor.name) { Array($0) },
          "\(tensor.name)", sourceLocation: sourceLocation)
      }
      #expect(try made.quantization() == golden.quantization(), sourceLocation: sourceLocation)
      let (config, other) = (try made.config(), try golden.config())
      for key in [
        "hidden_size", "vocab_size", "rms_norm_eps", "hidden_act", "rope_theta",
        "tie_word_embeddings", "num_key_value_heads", "intermediate_size", "num_hidden_layers",
      ] {
        #expect(config?[key] != nil, sourceLocation: sourceLocation)
        #expect(config?[key] == other?[key], "\(key)", sourceLocation: sourceLocation)
      }
    case .tq1_0, .tq2_0, .i2_s:
      let suffix = type == .i2_s ? "-x86" : ""
      let golden = try GGUFFile(path: self.path("gguf/tiny256-\(type.rawValue)\(suffix).gguf"))
      let made = try GGUFFile(path: path)
      for tensor in golden.tensors where tensor.name != "token_embd.weight" {
        #expect(made[tensor.name]?.type == tensor.type, sourceLocation: sourceLocation)
        // What follows the scale of I2_S has no meaning.
        let count = type == .i2_s && tensor.type == .i2_s ? tensor.count / 4 + 4 : nil
        let bytes = try (data(of: tensor.name, in: made), data(of: tensor.name, in: golden))
        #expect(
          bytes.0.prefix(count ?? .max) == bytes.1.prefix(count ?? .max), "\(tensor.name)",
          sourceLocation: sourceLocation)
      }
      for entry in golden.metadata.entries
      where entry.key == "general.architecture" || entry.key == "general.file_type"
        || entry.key.hasPrefix("bitnet-b1.58.")
      {
        #expect(
          made.metadata[entry.key] == entry.value, "\(entry.key)", sourceLocation: sourceLocation)
      }
    default: break
    }
  }

  /// The names in GGUF of the tensors of the model.
  private static let names: [String: String] = {
    var names = GGUFTinyModelTests.floats
    for (theirs, ours) in GGUFTinyModelTests.projections {
      names["model.layers.0.\(theirs).weight"] = "blk.0.\(ours).weight"
    }
    return names
  }()

  @Test(arguments: sources, types)
  func everyFileBecomesEveryType(source: String, type: ConversionType) throws {
    try withTemporaryFolder { folder in
      let path = try Self.path(source)
      let made = try Self.convert(path, to: type, folder)
      try Self.expectModel(made, type)
      guard source != Self.hub, type.suffix == "gguf" else { return }
      // The tokenizer and all else that is not about the type.
      let (golden, file) = try (GGUFFile(path: path), GGUFFile(path: made))
      #expect(golden.metadata.entries.count == 25)
      #expect(file.metadata.entries.count == 25)
      for entry in golden.metadata.entries where entry.key != "general.file_type" {
        #expect(file.metadata[entry.key] == entry.value, "\(entry.key)")
      }
    }
  }

  /// One conversion after the other: nothing is lost on the way that a later one would need.
  @Test(
    arguments: [
      (hub, [.bitlinear, .i2_s, .hf, .q2_0, .tq2_0, .bitlinear, .tq1_0, .hf]),
      ("gguf/tiny256-i2_s-arm.gguf", [.hf, .tq1_0, .bitlinear, .q2_0, .hf, .i2_s]),
      ("gguf/tiny256-tq1_0.gguf", [.q2_0, .bitlinear, .hf, .tq2_0, .i2_s, .hf, .tq1_0]),
    ] as [(String, [ConversionType])])
  func chains(source: String, types: [ConversionType]) throws {
    try withTemporaryFolder { folder in
      var path = try Self.path(source)
      for type in types {
        path = try Self.convert(path, to: type, folder)
        try Self.expectModel(path, type)
      }
    }
  }

  @Test(arguments: [
    "tiny64-offline-autobitlinear-bf16", "tiny64-offline-autobitlinear-f32",
    "tiny64-offline-bitlinear-f32-untied", "tiny256-offline-f32",
  ])
  func hubToHubKeepsEveryByte(name: String) throws {
    try withTemporaryFolder { folder in
      let path = try Self.path(name)
      try BitFormatsTests.convert(path, "\(folder)/model")
      let (first, copy) = try (
        ShardedSafetensors(path: path), ShardedSafetensors(path: "\(folder)/model")
      )
      #expect(first.tensors.count == copy.tensors.count)
      for tensor in first.tensors {
        let (a, b) = try (first.file(of: tensor.name), copy.file(of: tensor.name))
        #expect(b[tensor.name]?.dtype == tensor.dtype && b[tensor.name]?.shape == tensor.shape)
        #expect(
          try a.withUnsafeBytes(of: tensor.name) { Array($0) }
            == b.withUnsafeBytes(of: tensor.name) { Array($0) }, "\(tensor.name)")
      }
      #expect(first.files[0].metadata == copy.files[0].metadata)
      #expect(try first.quantization() == copy.quantization())

      // Through this project's form, whose scales always multiply.
      let (between, last) = ("\(folder)/x.safetensors", "\(folder)/y.safetensors")
      try BitFormatsTests.convert(path, between, ConversionOptions(type: .bitlinear))
      try BitFormatsTests.convert(between, last, ConversionOptions(type: .hf))
      let (start, end) = try (ModelFile(path: path), ModelFile(path: last))
      #expect(start.tensors.map(\.name).sorted() == end.tensors.map(\.name).sorted())
      for tensor in start.tensors {
        let found = try #require(end.tensors.first { $0.name == tensor.name })
        #expect(
          try found.values(0..<found.rows) == tensor.values(0..<tensor.rows), "\(tensor.name)")
      }
    }
  }

  @Test func namesCanBeKept() throws {
    try withTemporaryFolder { folder in
      let path = try Self.path("gguf/tiny256-tq2_0.gguf")
      let out = "\(folder)/x.safetensors"
      try BitFormatsTests.convert(path, out, ConversionOptions(keepsNames: true))
      let names = try ModelFile(path: out).tensors.map(\.name)
      #expect(names.sorted() == (try GGUFFile(path: path)).tensors.map(\.name).sorted())
    }
  }
}
