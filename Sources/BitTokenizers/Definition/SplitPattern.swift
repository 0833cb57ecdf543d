/// The regular expressions of known tokenizers. Each is recognised by its text and followed by a
/// scanner of its own, since a general engine would be slow and differ in what it calls a letter.
package enum SplitPattern: Sendable, Equatable, CaseIterable {
  /// Llama 3: numbers in groups of up to three digits.
  case llama3
  /// Qwen 2 and 3: each digit alone.
  case qwen2
  /// Qwen 3.5: the same, with marks (accents and vowel signs) as parts of words.
  case qwen35
  /// GPT-2: a space belongs to the word, number or punctuation after it.
  case gpt2
  /// Each digit alone, and nothing else.
  case digit
  /// Three ASCII digits, and nothing else: Falcon.
  case threeDigits

  /// The regular expression, as tokenizer.json has it.
  package var expression: String {
    switch self {
    case .llama3: Self.words(numbers: #"\p{N}{1,3}"#)
    case .qwen2: Self.words(numbers: #"\p{N}"#)
    case .qwen35: Self.words(letters: #"[\p{L}\p{M}]"#, others: #"\p{L}\p{M}"#, numbers: #"\p{N}"#)
    case .gpt2:
      #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    case .digit: #"\p{N}"#
    case .threeDigits: "[0-9][0-9][0-9]"
    }
  }

  private static func words(
    letters: String = #"\p{L}"#, others: String = #"\p{L}"#, numbers: String
  ) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?"# + letters + "+|" + numbers
      + #"| ?[^\s"# + others + #"\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// The pattern with exactly this text, if it is known.
  package init?(expression: String) {
    let known = Self.allCases.first { $0.expression.utf8.elementsEqual(expression.utf8) }
    guard let known else { return nil }
    self = known
  }
}
