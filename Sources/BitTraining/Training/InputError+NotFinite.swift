import BitCore

extension InputError {
  /// The error of a training that has left the finite numbers.
  static func notFinite(inTraining found: String) -> InputError {
    InputError(
      .notFinite, source: "training", found: found,
      expected: "finite numbers; a lower learning rate may help")
  }
}

extension BinaryFloatingPoint where Self: CustomStringConvertible {
  /// A number that is not finite as text, without the sign that a NaN may have.
  var textOfNotFinite: String { isNaN ? "nan" : description }
}
