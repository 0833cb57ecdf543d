/// How much of a model has been loaded.
public struct LoadingProgress: Sendable, Hashable {
  /// Bytes of tensors that were read.
  public internal(set) var bytes: Int
  /// Bytes of all tensors.
  public let totalBytes: Int

  /// The share that was read, 0...1.
  public var fraction: Double { totalBytes > 0 ? min(1, Double(bytes) / Double(totalBytes)) : 1 }
}
