import ArgumentParser

extension ParsableArguments {
  /// Refuses numbers outside the range of an option, in ArgumentParser's words; for `validate()`.
  func require(
    _ option: String, _ values: [Int], in range: ClosedRange<Int>
  ) throws(ValidationError) {
    guard let value = values.first(where: { !range.contains($0) }) else { return }
    let limits =
      range.upperBound == .max
      ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
    throw ValidationError(
      "The value '\(value)' is invalid for '\(option)'. Please provide a number \(limits).")
  }

  /// Refuses a number that is not above 0 or not finite, in the same words.
  func requirePositive(_ option: String, _ value: Float) throws(ValidationError) {
    guard value > 0, value.isFinite else {
      throw ValidationError(
        "The value '\(value)' is invalid for '\(option)'. Please provide a positive number.")
    }
  }
}
