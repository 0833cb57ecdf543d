import BitCore

/// Ends the program if a parameter does not have the shape that its layer needs; nil stands for a
/// layer that has no such parameter.
func requireShape(_ shape: Shape?, of parameter: Tensor?, _ name: String) {
  guard let parameter, parameter.shape != shape, shape != nil || !parameter.isZeroElement else {
    return
  }
  let expected = shape.map { "whose \(name) is \($0)" } ?? "that has none"
  preconditionFailure("a \(name) of shape \(parameter.shape) does not fit a layer \(expected)")
}
