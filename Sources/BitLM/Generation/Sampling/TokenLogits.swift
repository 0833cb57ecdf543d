/// The logits of one position, as a ``LogitRequest`` asked for them.
package enum TokenLogits: Sendable, Equatable {
  /// The logits of all tokens, by id.
  case all([Float])
  /// Some tokens with their exact logits, in any order. An id may occur twice, with equal logits.
  /// Those asked for must be among them, others may.
  case candidates([CandidateLogit])
}

/// A token with its logit.
package struct CandidateLogit: Sendable, Equatable {
  /// The token's id.
  package var id: Int32
  /// Its logit, the same bits as among all logits.
  package var logit: Float

  /// A token with its logit.
  package init(id: Int32, logit: Float) {
    self.id = id
    self.logit = logit
  }
}
