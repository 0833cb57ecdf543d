import BitCore
import BitFormats

extension LanguageModel {
  /// The embedding of a text: the last hidden state, or the mean of all, as the model pools.
  ///
  /// - Parameters:
  ///   - ids: the tokens of the text, those included that the tokenizer puts around it.
  ///   - isNormalized: whether to divide it by its Euclidean length.
  /// - Returns: `configuration.hiddenSize` numbers.
  /// - Throws: `InputError` for no tokens, too many for the context, or ids outside the vocabulary.
  public func embedding(ids: [Int32], isNormalized: Bool = true) throws(InputError) -> [Float] {
    guard !ids.isEmpty else {
      throw InputError(.malformed, source: "text", found: "no tokens", expected: "at least one")
    }
    let states = try hiddenStates(SequenceInput(DecoderSequence(self), ids, LogitRequest(.none)))
    let size = configuration.hiddenSize
    let scalars = states.scalars
    var embedding: [Float]
    if configuration.pooling == .mean {
      embedding = (0..<size).map { place in
        let sum = (0..<ids.count).reduce(0.0) { $0 + Double(scalars[$1 * size + place]) }
        return Float(sum / Double(ids.count))
      }
    } else {
      embedding = Array(scalars.suffix(size))
    }
    guard isNormalized else { return embedding }
    let length = embedding.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    return length > 0 ? embedding.map { Float(Double($0) / length) } : embedding
  }
}
