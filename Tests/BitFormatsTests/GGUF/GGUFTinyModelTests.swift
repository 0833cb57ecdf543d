import BitCore
import BitFormats
import Testing

/// A small model in four GGUF files, and the same in Hugging Face's packing.
@Suite struct GGUFTinyModelTests {
  static let files = [
    "tiny256-tq1_0.gguf", "tiny256-tq2_0.gguf", "tiny256-i2_s-x86.gguf", "tiny256-i2_s-arm.gguf",
  ]

  static let projections = [
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
  ]

  static let floats = [
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
    "model.layers.0.input_layernorm.weight": "blk.0.attn_norm.weight",
    "model.layers.0.post_attention_layernorm.weight": "blk.0.ffn_norm.weight",
    "model.layers.0.self_attn.attn_sub_norm.weight": "blk.0.attn_sub_norm.weight",
    "model.layers.0.mlp.ffn_sub_norm.weight": "blk.0.ffn_sub_norm.weight",
  ]

  /// Four bands of rows, the first in the lowest bits, code + 1.
  static func unpack(_ packed: [Int64], columns: Int) -> [Int8] {
    (0..<4).flatMap { band in packed.map { Int8(($0 >> (2 * Int64(band))) & 3) - 1 } }
  }

  static func open(_ name: String) throws -> GGUFFile {
    let layout: I2SLayout? = name.contains("arm") ? .arm : nil
    return try GGUFFile(
      bytes: GGUFGolden.bytes(name), source: name, options: GGUFOptions(i2sLayout: layout))
  }

  /// The checkpoint that the files were made from.
  private static func model() throws -> SafetensorsFile {
    let name = "tiny256-offline-f32/model.safetensors"
    return try SafetensorsFile(bytes: Array(Golden.data(name)), source: name)
  }

  @Test(arguments: files) func codesAndScalesAreThoseOfHuggingFace(name: String) throws {
    let model = try Self.model()
    let file = try Self.open(name)
    #expect(file.tensors.count == Self.projections.count + Self.floats.count)
    for (theirs, ours) in Self.projections {
      let packed = "model.layers.0.\(theirs).weight"
      let codes = Self.unpack(try model.integers(packed), columns: model[packed]!.shape[1])
      let scale = try model.tensor(packed + "_scale").scalars
      let tensor = try file.codedTensor("blk.0.\(ours).weight")
      let read = try tensor.rows(0..<tensor.rows)
      #expect(read.codes == codes, "\(ours)")
      #expect(Set(read.scales) == Set(scale), "\(ours)")
      // In pieces that are no divisor of the rows.
      var pieces: [Int8] = []
      for first in stride(from: 0, to: tensor.rows, by: 37) {
        pieces += try tensor.rows(first..<min(tensor.rows, first + 37)).codes
      }
      #expect(pieces == codes)
      let matrix = try tensor.packedMatrix()
      #expect(matrix.scales == .groups(scale), "one scale for the tensor")
      #expect(matrix.codes == codes)
      #expect(
        try file.values("blk.0.\(ours).weight", rows: 1..<2)
          == codes[tensor.columns..<2 * tensor.columns].map { Float($0) * scale[0] })
    }
    for (theirs, ours) in Self.floats {
      #expect(try file.tensor(ours) == model.tensor(theirs))
    }
  }

  /// Each layout from the codes, and back to the bytes of every file.
  @Test(arguments: files) func writesTheSameBytesFromTheSafetensors(name: String) throws {
    let model = try Self.model()
    let file = try Self.open(name)
    for (theirs, ours) in Self.projections {
      let packed = "model.layers.0.\(theirs).weight"
      let entry = try #require(file["blk.0.\(ours).weight"])
      let tensor = try CodedTensor(
        codes: Self.unpack(try model.integers(packed), columns: entry.columns),
        rows: entry.rows, columns: entry.columns, scaleKind: .tensor,
        scales: model.tensor(packed + "_scale").scalars, source: theirs)
      #expect(
        try tensor.ggufBytes(entry.type, i2sLayout: file.i2sLayout)
          == data(of: entry.name, in: file))
    }
  }

  @Test func metadataOfTheModel() throws {
    let file = try Self.open("tiny256-i2_s-x86.gguf")
    #expect(file.metadata.architecture == "bitnet-b1.58")
    #expect(file.metadata.fileType == 40)
    #expect(file.metadata["bitnet-b1.58.rope.freq_base"]?.doubleValue == 500_000)
    #expect(file.metadata["tokenizer.ggml.tokens"]?.stringsValue?.count == 320)
    #expect(file.metadata["tokenizer.ggml.add_bos_token"]?.boolValue == true)
    #expect(file.i2sLayout == .x86)
  }

  /// Without being told, a file in the ARM layout reads as the x86 one: the codes of each 128 in
  /// another order, which nothing in it can tell.
  @Test func theTwoLayoutsHaveTheSameCodesInAnotherOrder() throws {
    let name = "blk.0.attn_q.weight"
    let right = try Self.open("tiny256-i2_s-arm.gguf").codedTensor(name).rows(0..<1).codes
    let wrong = try GGUFGolden.file("tiny256-i2_s-arm.gguf").codedTensor(name).rows(0..<1).codes
    #expect(wrong != right)
    #expect(wrong[0..<128].sorted() == right[0..<128].sorted())
  }
}
