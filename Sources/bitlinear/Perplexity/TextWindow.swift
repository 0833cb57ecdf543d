import BitCore

/// A part of a text that a model sees by itself, and which of its tokens are predicted.
struct TextWindow: Equatable {
  /// The tokens of the text that it has.
  let range: Range<Int>
  /// The first token of the text that is predicted; all after it in the window are.
  let firstPredicted: Int
  /// Whether the token that begins a text takes the place of the window's first one.
  var beginsAnew = false

  /// The number of tokens that are predicted.
  var predictions: Int { range.upperBound - firstPredicted }

  /// The windows as llama.cpp has them: one after the other, each of `length` tokens, of which the
  /// ones after the first in the second half are predicted; what is left at the end of the text is
  /// not looked at.
  ///
  /// - Parameters:
  ///   - isWhole: whether to predict all tokens but the window's first instead.
  ///   - beginsAnew: whether the token that begins a text takes the place of a window's first.
  static func separate(
    count: Int, length: Int, isWhole: Bool, beginsAnew: Bool
  ) -> [TextWindow] {
    stride(from: 0, to: count - length + 1, by: length).map { start in
      TextWindow(
        range: start..<start + length, firstPredicted: start + (isWhole ? 1 : length / 2 + 1),
        beginsAnew: beginsAnew)
    }
  }

  /// The windows as Hugging Face's guide to perplexity has them: of up to `length` tokens, each
  /// `stride` further than the one before, which predict what those before did not.
  static func sliding(count: Int, length: Int, stride: Int) -> [TextWindow] {
    var windows: [TextWindow] = []
    var predicted = 1
    for start in Swift.stride(from: 0, to: max(1, count), by: stride) {
      let end = min(start + length, count)
      // What begins a window has nothing before it.
      let first = max(predicted, start + 1)
      if first < end { windows.append(TextWindow(range: start..<end, firstPredicted: first)) }
      predicted = end
      if end == count { break }
    }
    return windows
  }
}
