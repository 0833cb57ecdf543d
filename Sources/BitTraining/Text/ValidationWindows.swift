import BitCore

/// The windows of tokens that a language model is validated with: one after the other, in order.
///
/// Each token but the first is a label once, with those before it in its window to predict it by; with
/// a limit, those of the first windows are.
public struct ValidationWindows: Sendable, RandomAccessCollection {
  /// A window.
  public struct Window: Sendable, Equatable {
    /// The tokens to read. The last window is filled up with its last token.
    public let inputs: [Int32]
    /// The token to predict after each, or ``TokenWindows/ignoredLabel``.
    public let labels: [Int32]
    /// How much text the labels are that are not ignored. If `nll` is the sum of -log p over them,
    /// `nll / log(2) / characters` are bits per character, and `exp(nll / tokens)` is perplexity.
    public let size: TextSize
  }

  /// The tokens.
  public let dataset: TokenDataset
  /// The number of tokens of a window.
  public let length: Int

  /// The windows of tokens.
  ///
  /// - Parameters:
  ///   - dataset: the tokens, at least `length + 1`.
  ///   - length: the number of tokens of a window, at least 1.
  ///   - limit: the number of windows at most, the first ones; nil for all.
  /// - Throws: `InputError` if there are too few tokens for one window.
  public init(_ dataset: TokenDataset, length: Int, limit: Int? = nil) throws(InputError) {
    try dataset.checkWindow(length)
    precondition((limit ?? 1) > 0, "at most \(limit ?? 0) windows")
    self.dataset = dataset
    self.length = length
    let all = (dataset.count - 2) / length + 1
    endIndex = Swift.min(all, limit ?? all)
  }

  /// The number of the first window.
  public var startIndex: Int { 0 }
  /// The number of windows.
  public let endIndex: Int

  /// The window of a number.
  public subscript(index: Int) -> Window {
    precondition(indices.contains(index), "window \(index) of \(count)")
    let first = index * length
    let last = Swift.min(first + length, dataset.count - 1)
    var inputs = dataset.ids(first..<last)
    var labels = (first + 1...last).map(dataset.label)
    // What comes after a token has no influence on it.
    let missing = length - inputs.count
    inputs.append(contentsOf: repeatElement(inputs.last ?? 0, count: missing))
    labels.append(contentsOf: repeatElement(TokenWindows.ignoredLabel, count: missing))
    return Window(inputs: inputs, labels: labels, size: dataset.lengths.size(of: labels))
  }
}
