/// What maps raw values to inputs of a network: `(value - mean) / deviation`.
public struct Standardization: Sendable, Equatable {
  /// The value that becomes 0, in the units of the data (0 to 255 for bytes).
  public var mean: Float
  /// The distance from ``mean`` that becomes 1, in the units of the data; not zero.
  public var deviation: Float

  /// A standardization by the given mean and standard deviation.
  public init(mean: Float, deviation: Float) {
    self.mean = mean
    self.deviation = deviation
  }

  /// The input for one raw value.
  @inlinable
  public func callAsFunction(_ value: Float) -> Float { (value - mean) / deviation }
}
