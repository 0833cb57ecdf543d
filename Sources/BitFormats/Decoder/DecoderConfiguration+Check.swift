import BitCore
import BitFiles

extension DecoderConfiguration {
  /// The parts that each layer has.
  package var parts: [DecoderTensor.Part] {
    var parts: [DecoderTensor.Part] = [.attentionNorm, .feedForwardNorm]
    parts += DecoderTensor.Part.projections
    if hasSubNorms { parts += [.attentionSubNorm, .feedForwardSubNorm] }
    if hasQueryKeyNorms { parts += [.queryNorm, .keyNorm] }
    if hasProjectionNorms { parts += DecoderTensor.Part.projections.compactMap(\.inputNorm) }
    return parts
  }

  /// The tensors of a model with this configuration, from the input to the output.
  package var tensors: [DecoderTensor] {
    [.embedding] + (0..<layerCount).flatMap { layer in parts.map { .layer(layer, $0) } }
      + [.outputNorm] + (hasOutput ? [.output] : [])
  }

  /// Whether the model has an output layer of its own: not if it ties it or has none.
  var hasOutput: Bool { !tiesEmbeddings && pooling == .none }

  /// The shape of a tensor, outermost first.
  package func shape(of tensor: DecoderTensor) -> [Int] {
    switch tensor {
    case .embedding, .output: [vocabularySize, hiddenSize]
    case .outputNorm: [hiddenSize]
    case .ropeFrequencies: [rotary.length / 2]
    case .layer(_, let part): shape(of: part)
    }
  }

  /// The shape of a part of a layer: `[out, in]` of a linear layer.
  package func shape(of part: DecoderTensor.Part) -> [Int] {
    let (query, keyValue) = (headCount * headLength, keyValueHeadCount * headLength)
    return switch part {
    case .query: [query, hiddenSize]
    case .key, .value: [keyValue, hiddenSize]
    case .attentionOutput: [hiddenSize, query]
    case .gate, .up: [intermediateSize, hiddenSize]
    case .down: [hiddenSize, intermediateSize]
    case .attentionNorm, .feedForwardNorm: [hiddenSize]
    case .attentionSubNorm, .attentionOutputInputNorm: [query]
    case .feedForwardSubNorm, .downInputNorm: [intermediateSize]
    case .queryNorm, .keyNorm: [headLength]
    case .queryInputNorm, .keyInputNorm, .valueInputNorm, .gateInputNorm, .upInputNorm:
      [hiddenSize]
    }
  }

  /// Checks that the file has the tensors of the model, in their shapes, and no others.
  func check(_ tensors: DecoderTensors) throws(InputError) {
    guard tensors.layers == Array(0..<layerCount) else {
      let last = tensors.layers.last ?? -1
      throw InputError(
        .mismatch, source: tensors.source,
        found: "tensors of \(tensors.layers.count) layers, up to number \(last)",
        expected: "\(layerCount) layers from 0 on, as the configuration says")
    }
    let needed = self.tensors
    for kind in needed {
      guard let tensor = tensors[kind] else {
        throw InputError(
          .missing, source: tensors.source,
          found: "no tensor \(ErrorText.quoted(kind.name(in: tensors.naming)))",
          expected: "it, for a model of the family \(family)")
      }
      let shape = shape(of: kind)
      guard tensor.shape == shape else {
        throw InputError(
          .mismatch, source: tensor.source, found: "the shape \(ErrorText.list(tensor.shape))",
          expected: "\(ErrorText.list(shape)), as the configuration says")
      }
    }
    let known = Set(needed + [.output, .ropeFrequencies])
    if let other = tensors.all.first(where: { !known.contains($0.key) }) {
      throw InputError(
        .unsupported, source: tensors.source,
        found: "a tensor \(ErrorText.quoted(other.value.name))",
        expected: "none of that name in a model of the family \(family)")
    }
    if tiesEmbeddings, let output = tensors[.output] { try checkIsTied(output, tensors) }
  }

  /// Some checkpoints store a tied output layer once more. One that differs would be left out in
  /// silence.
  private func checkIsTied(
    _ output: ModelTensor, _ tensors: DecoderTensors
  ) throws(InputError) {
    guard let embedding = tensors[.embedding] else { return }
    var isSame = output.shape == embedding.shape
    for row in isSame ? [0, vocabularySize / 2, vocabularySize - 1] : [] {
      let (own, shared) = (
        try output.values(row..<row + 1), try embedding.values(row..<row + 1)
      )
      if own != shared { isSame = false }
    }
    guard isSame else {
      throw InputError(
        .mismatch, source: output.source, found: "other numbers than those of the embedding",
        expected: "the same, as tie_word_embeddings says")
    }
  }
}
