import ArgumentParser
import BitCore
import BitLM

/// The modes that `--activations` names.
extension ActivationMode: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }

  public var defaultValueDescription: String { name }

  public static var allValueStrings: [String] { all.map(\.name) }
}

/// The precisions that `--cache-type` names.
extension CachePrecision: ExpressibleByArgument {}
