/// The function of the gate in a gated feed-forward layer, `down(f(gate(x)) * up(x))`.
public enum GateActivation: String, Sendable, Hashable, CaseIterable {
  /// x * sigmoid(x).
  case silu
  /// max(x, 0)^2, as in BitNet b1.58 2B4T.
  case squaredReLU

  /// Reads the name in a configuration; nil for a function that is not known.
  package init?(configurationName name: String) {
    switch name {
    case "silu", "swish": self = .silu
    case "relu2", "relu_squared": self = .squaredReLU
    default: return nil
    }
  }

  /// The name in a configuration.
  package var configurationName: String { self == .silu ? "silu" : "relu2" }
}
