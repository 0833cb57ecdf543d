/// The part of a batch that belongs to one text.
struct BatchText: Sendable {
  /// Its tokens, which are evaluated after those in its sequence.
  let tokens: [Int32]
  /// Their rows in the batch.
  let rows: Range<Int>
}
