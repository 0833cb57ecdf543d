import BitCore
import BitFiles

/// Everything that encoding needs of a definition, in tables.
final class EncodingPlan: Sendable {
  /// A way to cut text, without those that do nothing.
  enum Step: Sendable {
    case pattern(SplitPattern)
    case digits(individual: Bool)
    /// As `digits`, but after ``PreTokenizerStep/byteLevel(_:)``, where a byte counts as a number if
    /// the character that stands for it is one.
    case byteDigits(individual: Bool)
    case punctuation(contiguous: Bool)
    case prefixSpace
    case metaspace(PreTokenizerStep.Metaspace)
    /// Cuts in front of a mark that follows something else; no merge reaches over such a place.
    case words(mark: [UInt8])
  }

  let source: String
  /// Tokens that are found in the text as it is, and those that are found in normalized text.
  let rawTokens: AddedTokenMatcher
  let normalizedTokens: AddedTokenMatcher
  let normalizer: TextNormalizer
  let steps: [Step]
  let isByteLevel: Bool
  let model: TokenizerModel
  let merges: MergeTable
  /// The token of each byte: of a byte-level vocabulary, or to fall back to; -1 if there is none.
  let byteTokens: [Int32]
  /// Tokens by what they stand for, if the model needs to find them.
  let index: TokenIndex?
  /// The ids around a text.
  let around: (before: [Int32], after: [Int32])

  /// The plan of a definition.
  ///
  /// - Parameter bytes: what the tokens of a byte-level vocabulary stand for.
  init(_ definition: TokenizerDefinition, bytes: TokenTable) throws(InputError) {
    source = definition.source
    let normalizer = TextNormalizer(definition.normalizers)
    self.normalizer = normalizer
    let raw = definition.addedTokens.filter { !$0.isNormalized || normalizer.isEmpty }
    let normalized = definition.addedTokens.filter { $0.isNormalized && !normalizer.isEmpty }
    rawTokens = AddedTokenMatcher(raw, texts: raw.map { Array($0.content.utf8) })
    normalizedTokens = AddedTokenMatcher(
      normalized, texts: normalized.map { normalizer.normalize($0.content) })
    isByteLevel = definition.isByteLevel
    model = definition.model
    around = definition.around
    let pairs: [Merge]
    (pairs, merges) = try definition.mergeTable()
    if isByteLevel {
      byteTokens = Self.byteTokens(of: bytes, definition)
      index =
        model.ignoresMerges
        ? TokenIndex(bytes, isMember: definition.modelTokens.contains, onDuplicate: { _, _ in })
        : nil
    } else {
      index = TokenIndex(
        definition.tokens, isMember: definition.modelTokens.contains, onDuplicate: { _, _ in })
      byteTokens = definition.fallbackTokens()
    }
    var steps = try Self.steps(definition)
    if !isByteLevel, let mark = Self.wordMark(definition, pairs) {
      steps.append(.words(mark: mark))
    }
    self.steps = steps
  }

  private static func byteTokens(
    of bytes: TokenTable, _ definition: TokenizerDefinition
  ) -> [Int32] {
    var tokens = [Int32](repeating: -1, count: 256)
    for id in 0..<bytes.count
    where bytes.range(id).count == 1 && definition.modelTokens.contains(id) {
      tokens[Int(bytes[id].first ?? 0)] = Int32(id)
    }
    return tokens
  }

  private static func steps(_ definition: TokenizerDefinition) throws(InputError) -> [Step] {
    var steps: [Step] = []
    var isAfterBytes = false
    for step in definition.preTokenizers {
      switch step {
      case .split(let pattern) where !isAfterBytes || pattern == .threeDigits:
        steps.append(pattern == .digit ? .digits(individual: true) : .pattern(pattern))
      case .digits(let individual):
        steps.append(
          isAfterBytes ? .byteDigits(individual: individual) : .digits(individual: individual))
      case .punctuation(let contiguous) where !isAfterBytes:
        steps.append(.punctuation(contiguous: contiguous))
      case .byteLevel(let options) where !isAfterBytes:
        isAfterBytes = true
        if options.addsPrefixSpace { steps.append(.prefixSpace) }
        if options.usesPattern { steps.append(.pattern(.gpt2)) }
      case .metaspace(let options) where !isAfterBytes: steps.append(.metaspace(options))
      default:
        throw InputError(
          .unsupported, source: definition.source, found: "a pre-tokenizer after ByteLevel",
          expected: "Digits or a Split by three digits there")
      }
    }
    return steps
  }

  /// The mark of spaces, if no token that merges has it behind another character: then each word is
  /// a piece of its own, whose tokens can be remembered.
  private static func wordMark(_ definition: TokenizerDefinition, _ merges: [Merge]) -> [UInt8]? {
    let mark = Array("\u{2581}".utf8)
    guard let first = mark.first,
      definition.tokens.firstID(of: mark, where: definition.modelTokens.contains) != nil
    else { return nil }
    for merge in merges {
      let isMixed = definition.tokens.withBytes(of: Int(merge.result)) { bytes -> Bool in
        var isAfterOther = false
        var place = 0
        while place < bytes.count {
          let isMark =
            bytes[place] == first && place + 3 <= bytes.count && bytes[place + 1] == mark[1]
            && bytes[place + 2] == mark[2]
          if isMark && isAfterOther { return true }
          isAfterOther = isAfterOther || !isMark
          place += isMark ? 3 : 1
        }
        return false
      }
      if isMixed { return nil }
    }
    return mark
  }
}

extension TextNormalizer {
  /// The normalized bytes of a text.
  func normalize(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return bytes }
      return normalize(TextPointer(base: base, count: buffer.count)) ?? bytes
    }
  }
}

extension TokenTable {
  /// The first id of a text for which a condition holds. Goes through all of them.
  func firstID(of text: some Collection<UInt8>, where isMember: (Int) -> Bool = { _ in true })
    -> Int32?
  {
    let count = text.count
    for id in 0..<self.count where range(id).count == count {
      if self[id].elementsEqual(text), isMember(id) { return Int32(id) }
    }
    return nil
  }
}
