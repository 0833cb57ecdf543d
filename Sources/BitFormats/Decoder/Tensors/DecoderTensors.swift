import BitCore
import BitFiles

/// The tensors of a language model by what they are.
package struct DecoderTensors: Sendable {
  /// The file, for errors.
  package let source: String
  /// The names of the file.
  package let naming: DecoderTensor.Naming
  private let tensors: [DecoderTensor: ModelTensor]
  /// The layers that the file has tensors of, ascending.
  let layers: [Int]

  /// Finds the tensors of a model.
  ///
  /// - Throws: `InputError`: `.unsupported` for a tensor that no family here has, which says that the
  ///   model computes something else; `.malformed` for two that are the same one.
  package init(_ model: ModelFile) throws(InputError) {
    (source, naming) = (model.path, model.isGGUF ? .gguf : .huggingFace)
    var tensors: [DecoderTensor: ModelTensor] = [:]
    var layers: Set<Int> = []
    for tensor in model.tensors where !Self.isIgnored(tensor.name) {
      guard let kind = DecoderTensor(tensor.name, in: naming) else {
        throw InputError(
          .unsupported, source: model.path, found: "a tensor \(ErrorText.quoted(tensor.name))",
          expected: "the weights of a llama, bitnet or qwen3 model, without biases")
      }
      guard tensors.updateValue(tensor, forKey: kind) == nil else {
        throw InputError(
          .malformed, source: tensor.source, found: "a second name for the same weight",
          expected: "each weight once")
      }
      if case .layer(let layer, _) = kind { layers.insert(layer) }
    }
    (self.tensors, self.layers) = (tensors, layers.sorted())
  }

  /// A tensor, or nil.
  package subscript(tensor: DecoderTensor) -> ModelTensor? { tensors[tensor] }

  /// A part of a layer, or nil.
  package subscript(layer: Int, part: DecoderTensor.Part) -> ModelTensor? {
    tensors[.layer(layer, part)]
  }

  /// All tensors.
  var all: [DecoderTensor: ModelTensor] { tensors }

  /// Whether any layer has a part.
  func has(_ parts: [DecoderTensor.Part]) -> Bool {
    layers.contains { layer in parts.contains { tensors[.layer(layer, $0)] != nil } }
  }

  /// A table that old checkpoints have for what the configuration says.
  private static func isIgnored(_ name: String) -> Bool {
    let parts = name.utf8.split(separator: UInt8(ascii: "."))
    return parts.suffix(2).map { Array($0) } == ["rotary_emb", "inv_freq"].map { Array($0.utf8) }
  }
}
