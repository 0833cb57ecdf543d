import BitCore
import BitNN

/// Errors that say where training left the finite numbers.
extension DecoderTrainer {
  /// The layer in which a NaN or an infinity first shows.
  func origin(_ inputs: [Int32]) -> String {
    NonFiniteLocator.locate(in: model) { _ = $0(inputs, positions: training.length) } ?? "the loss"
  }

  /// The error.
  ///
  /// - Parameters:
  ///   - found: what is not finite.
  ///   - origin: the layer or the parameter in which it first shows.
  ///   - isAfterStep: whether the last step is done, and not the next one under way.
  func notFinite(_ found: String, _ origin: String, isAfterStep: Bool = false) -> InputError {
    let place = isAfterStep ? "after step \(stepCount)" : "at step \(stepCount + 1)"
    return .notFinite(inTraining: "\(found) \(place), first in \(origin)")
  }
}
