extension ActivationQuantizer {
  /// What shares a scale.
  public enum Granularity: Sendable, Hashable {
    /// The whole tensor: the result of a token depends on the others in its batch.
    case tensor
    /// Each row of the last axis.
    case token
    /// Each run of so many columns (32, 64, 128 or 256) of a row of the last axis; the last run of a
    /// row may be shorter. An outlier then costs precision in its block alone.
    case block(Int)

    /// The lengths that a block of columns may have.
    public static let blockLengths = [32, 64, 128, 256]

    /// The number of columns that share a scale; nil if at least all columns of a row do.
    public var blockColumns: Int? {
      if case .block(let columns) = self { columns } else { nil }
    }
  }
}

extension ActivationQuantizer.Granularity: CaseIterable {
  /// The tensor, a token, and a block of every length.
  public static var allCases: [Self] { [.tensor, .token] + blockLengths.map(Self.block) }
}

extension ActivationQuantizer.Granularity: CustomStringConvertible {
  /// "tensor", "token", or such as "block of 64".
  public var description: String {
    switch self {
    case .tensor: "tensor"
    case .token: "token"
    case .block(let columns): "block of \(columns)"
    }
  }
}
