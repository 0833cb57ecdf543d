extension Tensor {
  /// Where an operation puts a result.
  package enum Destination {
    /// Nowhere: the result is not wanted and not computed.
    case none
    /// A new tensor.
    case newTensor
    /// Somebody else's memory for all of the values, which must outlive the result.
    case memory(UnsafeMutablePointer<Float>)

    /// Whether the result is wanted.
    var isWanted: Bool { if case .none = self { false } else { true } }

    /// The tensor that `body` writes; ``Tensor/zero`` without a call of `body` if it is not wanted.
    func build(_ shape: Shape, _ body: (UnsafeMutablePointer<Float>) -> Void) -> Tensor {
      switch self {
      case .none: return .zero
      case .newTensor: return Tensor.build(shape, body)
      case .memory(let memory):
        body(memory)
        return Tensor(borrowing: memory, shape: shape)
      }
    }
  }
}
