import BitCore

extension GateActivation {
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
