import BitCore

extension SeededGenerator {
  /// A generator with a seed from the system.
  static func fresh() -> SeededGenerator { SeededGenerator(seed: .random(in: 0 ... .max)) }
}
