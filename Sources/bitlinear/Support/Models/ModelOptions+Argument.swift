import ArgumentParser
import BitCore
import BitLM

/// The modes that `--activations` names.
extension ActivationMode: ExpressibleByArgument {
  /// The mode of a name.
  public init?(argument: String) { self.init(name: argument) }

  /// The name.
  public var defaultValueDescription: String { name }

  /// The names of all modes.
  public static var allValueStrings: [String] { all.map(\.name) }
}

/// The precisions that `--cache-type` names.
extension CachePrecision: ExpressibleByArgument {}
