import BitCore
import BitFormats

/// The embeddings of the tokens, `[vocabulary, hidden]`, which stay in the file: a text needs few.
struct TokenEmbedding: Sendable {
  let tensor: ModelTensor

  /// Writes the embeddings of the tokens of a batch, one row after the other.
  ///
  /// - Throws: `InputError` of kind `.malformed` for an id outside the vocabulary, and what reading
  ///   the file throws.
  func write(_ texts: [BatchText], to hidden: UnsafeMutablePointer<Float>) throws(InputError) {
    for text in texts {
      for (token, row) in zip(text.tokens, text.rows) {
        guard token >= 0, token < tensor.rows else {
          throw InputError(
            .malformed, source: "tokens", found: "the id \(token)",
            expected: "ids from 0 to \(tensor.rows - 1), the model's vocabulary")
        }
        let values = try tensor.values(Int(token)..<Int(token) + 1)
        (hidden + row * values.count).initialize(from: values, count: values.count)
      }
    }
  }
}
