import BitCore
import Foundation
import Testing

@testable import BitFormats

/// GGUF files that lie, or describe what is not run here.
@Suite struct DecoderMetadataErrorTests {
  /// Writes a small llama with other metadata or tensors, and reads it.
  private static func read(
    _ changes: [String: GGUFValue?], tensors: [String: [Int]?] = [:],
    file: String = "llama-b158-64-rope3-f16"
  ) throws -> DecoderConfiguration {
    try withTemporaryFolder { folder in
      let source = try ModelFile(path: DecoderConfigurationTests.path("lm/gguf/\(file).gguf"))
      var metadata = try #require(source.ggufMetadata)
      for (key, value) in changes { metadata[key] = value }
      var entries: [GGUFEntry] = []
      for tensor in source.tensors where tensors[tensor.name] == nil {
        let values = Tensor(try tensor.values(0..<tensor.rows))
        entries.append(GGUFEntry(tensor.name, values.reshaped(Shape(tensor.shape))))
      }
      for (name, shape) in tensors {
        guard let shape else { continue }
        entries.append(GGUFEntry(name, Tensor(repeating: 1, shape: Shape(shape))))
      }
      let path = "\(folder)/model.gguf"
      try GGUFWriter.write(entries, metadata: metadata, to: path)
      return try DecoderConfiguration(ModelFile(path: path))
    }
  }

  @Test(
    arguments: [
      ("general.architecture", .string("gpt2"), #"general.architecture "gpt2""#),
      ("general.architecture", nil, "general.architecture"),
      ("llama.block_count", nil, "no llama.block_count"),
      ("llama.block_count", .uint64(.max), "llama.block_count"),
      ("llama.block_count", .uint32(3), "expected 3 layers"),
      ("llama.embedding_length", .float32(64), "llama.embedding_length 64"),
      ("llama.embedding_length", .uint32(0), "llama.embedding_length 0"),
      ("llama.attention.head_count", .uint32(0), "llama.attention.head_count 0"),
      ("llama.attention.head_count_kv", .array(.int32([2, 4])), "llama.attention.head_count_kv"),
      ("llama.attention.head_count_kv", .uint32(3), "4 heads of queries and 3"),
      ("llama.attention.key_length", .uint32(32), "[32, 16, 16]"),
      ("llama.rope.dimension_count", .uint32(8), "[16, 16, 8]"),
      ("llama.attention.layer_norm_rms_epsilon", nil, "no llama.attention.layer_norm_rms_epsilon"),
      ("llama.attention.layer_norm_rms_epsilon", .float32(.nan), "layer_norm_rms_epsilon"),
      ("llama.rope.freq_base", .float32(.infinity), "llama.rope.freq_base"),
      ("llama.vocab_size", .uint32(321), "the 321 of llama.vocab_size"),
      ("llama.context_length", .uint32(0), "llama.context_length 0"),
      ("llama.hidden_activation", .string("gelu"), #"llama.hidden_activation "gelu""#),
      ("llama.expert_count", .uint32(8), "llama.expert_count 8"),
      ("llama.attention.sliding_window", .uint32(64), "llama.attention.sliding_window 64"),
      ("llama.rope.scaling.type", .string("longrope"), #""longrope""#),
      ("llama.rope.scaling.type", .string("yarn"), "no llama.rope.scaling.factor"),
      ("llama.rope.scaling.factor", .float32(2), "divisors of frequencies beside"),
      ("llama.pooling_type", .uint32(2), "llama.pooling_type 2"),
      ("tokenizer.ggml.eos_token_id", .string("2"), "tokenizer.ggml.eos_token_id"),
    ] as [(String, GGUFValue?, String)])
  func `A key`(key: String, value: GGUFValue?, text: String) {
    do {
      let read = try Self.read([key: value])
      Issue.record("read \(read)")
    } catch {
      #expect("\(error)".contains(text), "\(error)")
    }
  }

  @Test(
    arguments: [
      ("blk.1.ffn_up.weight", nil, "no tensor \"blk.1.ffn_up.weight\""),
      ("blk.0.ffn_up.weight", [64, 160], "[64, 160]"), ("output_norm.weight", [65], "[65]"),
      ("blk.2.ffn_up.weight", [160, 64], "3 layers"), ("blk.0.attn_q.bias", [64], "attn_q.bias"),
      ("blk.0.ffn_gate_inp.weight", [8, 64], "blk.0.ffn_gate_inp.weight"),
      ("blk.0.attn_sub_norm.weight", [64], "blk.0.attn_sub_norm.weight"),
      ("rope_freqs.weight", [4], "one for each pair"),
      ("token_embd.weight", nil, "token_embd.weight"),
    ] as [(String, [Int]?, String)])
  func `A tensor`(name: String, shape: [Int]?, text: String) {
    do {
      let read = try Self.read([:], tensors: [name: shape])
      Issue.record("read \(read)")
    } catch {
      #expect("\(error)".contains(text), "\(error)")
    }
  }

  @Test func `Divisors of one, and scaling by one, change nothing`() throws {
    let read = try Self.read(
      ["llama.rope.scaling.type": .string("linear"), "llama.rope.scaling.factor": .float32(1)],
      tensors: ["rope_freqs.weight": [8]])
    #expect(read.rotary.scaling == .none)
  }

  @Test func `YaRN's factor of attention is multiplied with that of the paper`() throws {
    let read = try Self.read(
      [
        "llama.rope.scaling.type": .string("yarn"), "llama.rope.scaling.factor": .float32(4),
        "llama.rope.scaling.attn_factor": .float32(2),
        "llama.rope.scaling.yarn_beta_fast": .float32(16),
      ], tensors: ["rope_freqs.weight": nil])
    let yarn = RotaryScaling.YaRN(
      factor: 4, originalContext: 256, attentionFactor: 2 * 1.1386294, betaFast: 16)
    #expect(read.rotary.scaling == .yarn(yarn))
  }

  @Test func `The architecture bitnet has SiLU unless the file says otherwise`() throws {
    // A llama with the names of a BitNet model.
    var changes: [String: GGUFValue?] = ["general.architecture": .string("bitnet")]
    let source = try ModelFile(
      path: DecoderConfigurationTests.path("lm/gguf/llama-b158-64-rope3-f16.gguf"))
    for entry in try #require(source.ggufMetadata).entries where entry.key.hasPrefix("llama.") {
      changes["bitnet." + entry.key.dropFirst(6)] = entry.value
    }
    var norms: [String: [Int]?] = [:]
    for layer in 0..<2 {
      norms["blk.\(layer).attn_sub_norm.weight"] = [64]
      norms["blk.\(layer).ffn_sub_norm.weight"] = [160]
    }
    #expect(try Self.read(changes, tensors: norms).activation == .silu)
    changes["bitnet.hidden_activation"] = .string("relu2")
    let read = try Self.read(changes, tensors: norms)
    #expect(read.activation == .squaredReLU && read.family == .bitnet && !read.isInterleaved)
  }

  @Test func `Norms of projections make an embedding model`() throws {
    var norms: [String: [Int]?] = ["output.weight": nil]
    for layer in 0..<2 {
      for (name, length) in [("attn_q", 64), ("attn_k", 64), ("attn_v", 64), ("ffn_gate", 64)] {
        norms["blk.\(layer).\(name)_norm_in.weight"] = [length]
      }
      norms["blk.\(layer).attn_output_norm_in.weight"] = [64]
      norms["blk.\(layer).ffn_up_norm_in.weight"] = [64]
      norms["blk.\(layer).ffn_down_norm_in.weight"] = [160]
    }
    let read = try Self.read([:], tensors: norms)
    #expect(read.hasProjectionNorms && read.pooling == .lastToken)
    #expect(read.activations == .perTokenInt8)
    norms["blk.1.ffn_down_norm_in.weight"] = .some(nil)
    #expect(throws: InputError.self) { try Self.read([:], tensors: norms) }
  }
}
