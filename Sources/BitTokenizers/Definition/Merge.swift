/// Two tokens that become one.
package struct Merge: Sendable, Equatable, BitwiseCopyable {
  /// The token on the left.
  package var left: Int32
  /// The token on the right.
  package var right: Int32
  /// The token of the bytes of both.
  package var result: Int32

  /// The merge of two tokens.
  package init(left: Int32, right: Int32, result: Int32) {
    (self.left, self.right, self.result) = (left, right, result)
  }
}
