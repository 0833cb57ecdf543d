@testable import BitConversion
import BitCore
import BitFormats
import Foundation
import Testing

/// A checkpoint of made-up codes, in any format.
struct ConversionSample {
  let rows = 8
  let columns = 512
  let alphabet: WeightAlphabet
  let scaleKind: ScaleKind
  let codes: [Int8]
  let scales: [Float]
  let norm = (0..<512).map { Float($0) / 7 }

  /// Codes and, if not given otherwise, scales that a half holds exactly.
  init(
    _ alphabet: WeightAlphabet = .ternary, scaleKind: ScaleKind = .tensor,
    scales: [Float]? = nil, seed: UInt64 = 1
  ) {
    self.alphabet = alphabet
    self.scaleKind = scaleKind
    var generator = SeededGenerator(seed: seed)
    codes = (0..<rows * columns).map { _ in
      alphabet == .sign
        ? (Bool.random(using: &generator) ? 1 : -1) : Int8.random(in: -1...1, using: &generator)
    }
    let count = ScaleLayout(scaleKind, rows: rows, columns: columns).count
    self.scales = scales ?? (0..<count).map { 0.5 + Float($0) / 64 }
  }

  func coded() throws -> CodedTensor {
    try CodedTensor(
      codes: codes, rows: rows, columns: columns, alphabet: alphabet, scaleKind: scaleKind,
      scales: scales, source: "sample")
  }

  /// Writes a GGUF file with this as `blk.0.ffn_up.weight`.
  func writeGGUF(_ path: String, _ type: GGUFTensorType) throws {
    try GGUFWriter.write(
      [
        GGUFEntry("blk.0.ffn_up.weight", try coded(), type: type),
        GGUFEntry("blk.0.attn_norm.weight", Tensor(norm)),
      ], metadata: ["general.architecture": .string("other"), "other.x": .uint32(3)], to: path)
  }

  /// Writes a packed layer of this project with this as `blk.0.ffn_up.weight`.
  func writePacked(_ path: String) throws {
    let matrix = try coded().packedMatrix()
    let layer = try PackedBitLinear(
      matrix: matrix, bias: nil, recipe: alphabet == .sign ? .bitnet : .b158)
    try PackedLayerFile.write(
      [("blk.0.ffn_up", layer)],
      tensors: [SafetensorsEntry("blk.0.attn_norm.weight", Tensor(norm), dtype: .bf16)], to: path)
  }

  /// Expects that a checkpoint holds these codes and products.
  func expect(
    _ path: String, _ name: String = "blk.0.ffn_up.weight",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let tensor = try weight(path, name)
    let read = try tensor.rows(0..<rows)
    #expect(read.codes == codes, sourceLocation: sourceLocation)
    #expect(
      try tensor.values(0..<rows) == coded().values(0..<rows), sourceLocation: sourceLocation)
  }
}

/// The codes of a tensor of a checkpoint.
func weight(_ path: String, _ name: String) throws -> CodedTensor {
  let tensor = try #require(ModelFile(path: path).tensors.first { $0.name == name })
  guard case .codes(let codes) = tensor.content else { throw CocoaError(.featureUnsupported) }
  return codes
}

/// Converts, verifies and gives the type.
@discardableResult
func convert(
  _ from: String, _ to: String, _ options: ConversionOptions = ConversionOptions()
) throws -> ConversionType {
  let conversion = try Conversion(ModelFile(path: from), to: to, options: options)
  try conversion.write()
  #expect(try conversion.verify() > 0)
  return conversion.type
}

extension ConversionType {
  /// The suffix of a file of the type.
  var suffix: String { self == .hf || self == .bitlinear ? "safetensors" : "gguf" }
}
