import BitCore
import BitFiles

/// Turns text into ids, with the memory that this needs; used by one thread at a time.
final class Encoder {
  let plan: EncodingPlan
  var ids: [Int32] = []
  private let cache = PieceCache()
  private var merger: PairMerger
  /// The end of the text at hand, up to which bytes may be read.
  private var end: UnsafePointer<UInt8>

  init(_ plan: EncodingPlan) {
    self.plan = plan
    merger = PairMerger(plan.merges)
    end = UnsafePointer(CharacterClass.ascii.base)
  }

  /// Appends the ids of a text, which must be valid UTF-8.
  func encode(_ text: TextPointer, special: Bool) throws(InputError) {
    // Four bytes of text are about a token.
    ids.reserveCapacity(ids.count + text.count / 3)
    try forEachPart(of: text, plan.rawTokens, special: special) {
      (part, start) throws(InputError) in
      if let changed = plan.normalizer.isEmpty ? nil : plan.normalizer.normalize(part) {
        try changed.withUnsafeBufferPointer { (bytes) throws(InputError) in
          guard let base = bytes.baseAddress else { return }
          try encodeNormalized(
            TextPointer(base: base, count: bytes.count), special: special, isFirst: start == 0)
        }
      } else {
        try encodeNormalized(part, special: special, isFirst: start == 0)
      }
    }
  }

  private func encodeNormalized(
    _ text: TextPointer, special: Bool, isFirst: Bool
  ) throws(InputError) {
    try forEachPart(of: text, plan.normalizedTokens, special: special) {
      (part, start) throws(InputError) in
      end = text.base + text.count
      try run(0, part, isFirst: isFirst && start == 0)
    }
  }

  /// Appends the ids of added tokens and calls `body` with the parts between them.
  private func forEachPart(
    of text: TextPointer, _ matcher: AddedTokenMatcher, special: Bool,
    _ body: (_ part: TextPointer, _ start: Int) throws(InputError) -> Void
  ) throws(InputError) {
    var (place, last) = (0, 0)
    if !matcher.isEmpty {
      while let match = matcher.next(in: text, from: place, after: last, special: special) {
        if last < match.start { try body(text.part(last..<match.start), last) }
        ids.append(matcher.tokens[match.token].id)
        (place, last) = (match.next, max(last, match.end))
      }
    }
    if last < text.count { try body(text.part(last..<text.count), last) }
  }

  /// Cuts a text by the steps from a given one on, and encodes the pieces.
  private func run(_ step: Int, _ text: TextPointer, isFirst: Bool) throws(InputError) {
    guard step < plan.steps.count else { return try encodePiece(text) }
    var start = 0
    func emit(_ place: Int) throws(InputError) {
      try run(step + 1, text.part(start..<place), isFirst: isFirst && start == 0)
      start = place
    }
    switch plan.steps[step] {
    case .pattern(.threeDigits):
      while let digits = text.digits(from: start) {
        if digits > start { try emit(digits) }
        try emit(digits + 3)
      }
      if start < text.count { try emit(text.count) }
    case .pattern(.gpt2):
      let scanner = PatternScanner(text, .gpt2)
      while start < text.count { try emit(scanner.endOfGPT2(start)) }
    case .pattern(let pattern):
      let scanner = PatternScanner(text, pattern)
      while start < text.count { try emit(scanner.endOfWord(start)) }
    case .digits(let individual):
      while start < text.count { try emit(text.end(of: .number, alone: individual, start)) }
    case .punctuation(let contiguous):
      while start < text.count { try emit(text.end(of: .punctuation, alone: !contiguous, start)) }
    case .byteDigits(let individual):
      while start < text.count { try emit(text.endOfByteDigits(alone: individual, start)) }
    case .words(let mark):
      while start < text.count { try emit(text.endOfWord(mark, splitsMarks: false, start)) }
    case .prefixSpace: try runWithPrefixSpace(step, text)
    case .metaspace(let options): try runMetaspace(step, text, options, isFirst)
    }
  }

  private func runWithPrefixSpace(_ step: Int, _ text: TextPointer) throws(InputError) {
    if text.base[0] == 0x20 { return try run(step + 1, text, isFirst: false) }
    let changed = [0x20] + UnsafeBufferPointer(start: text.base, count: text.count)
    try withText(changed) { (text) throws(InputError) in
      try run(step + 1, text, isFirst: false)
    }
  }

  private func runMetaspace(
    _ step: Int, _ text: TextPointer, _ options: PreTokenizerStep.Metaspace, _ isFirst: Bool
  ) throws(InputError) {
    let mark = Array(options.mark.utf8)
    var changed =
      TextNormalizer.replace([0x20], with: mark, in: text)
      ?? Array(UnsafeBufferPointer(start: text.base, count: text.count))
    let hasPrefix = options.prefix == .always || options.prefix == .first && isFirst
    if hasPrefix, !changed.starts(with: mark) { changed.insert(contentsOf: mark, at: 0) }
    try withText(changed) { (text) throws(InputError) in
      guard options.splits else { return try run(step + 1, text, isFirst: isFirst) }
      var start = 0
      while start < text.count {
        let end = text.endOfWord(mark, splitsMarks: true, start)
        try run(step + 1, text.part(start..<end), isFirst: isFirst && start == 0)
        start = end
      }
    }
  }

  /// Calls `body` with a changed text in the place of the one at hand.
  private func withText(
    _ bytes: [UInt8], _ body: (TextPointer) throws(InputError) -> Void
  ) throws(InputError) {
    let before = end
    defer { end = before }
    try bytes.withUnsafeBufferPointer { (buffer) throws(InputError) in
      guard let base = buffer.baseAddress else { return }
      end = base + buffer.count
      try body(TextPointer(base: base, count: buffer.count))
    }
  }
}

extension Encoder {
  /// Appends the ids of a piece.
  private func encodePiece(_ piece: TextPointer) throws(InputError) {
    guard piece.count <= 15, piece.count > 0 else { return try merge(piece) }
    let key = PieceCache.key(piece.base, piece.count, readable: end - piece.base)
    if cache.append(key, to: &ids) { return }
    let start = ids.count
    try merge(piece)
    cache.insert(key, ids[start...])
  }

  private func merge(_ piece: TextPointer) throws(InputError) {
    if plan.model.ignoresMerges,
      let id = plan.index?.find(UnsafeRawBufferPointer(start: piece.base, count: piece.count))
    {
      ids.append(Int32(id))
      return
    }
    merger.symbols.removeAll(keepingCapacity: true)
    if plan.isByteLevel { try splitBytes(piece) } else { try splitCharacters(piece) }
    merger.merge()
    ids.append(contentsOf: merger.symbols)
  }

  private func splitBytes(_ piece: TextPointer) throws(InputError) {
    var isUnknown = false
    for place in 0..<piece.count {
      let byte = piece.base[place]
      let id = plan.byteTokens[Int(byte)]
      if id >= 0 {
        merger.symbols.append(id)
      } else {
        guard let unknown = plan.model.unknown else { throw noToken([byte]) }
        if !(isUnknown && plan.model.fusesUnknown) { merger.symbols.append(unknown) }
      }
      isUnknown = id < 0
    }
  }

  private func splitCharacters(_ piece: TextPointer) throws(InputError) {
    /// Whether an unknown character waits for what follows it. Bytes do not end the wait, so that
    /// it comes after them, as in the library tokenizers.
    var isWaiting = false
    var place = 0
    while place < piece.count {
      let length = piece.scalar(at: place).length
      let bytes = UnsafeRawBufferPointer(start: piece.base + place, count: length)
      place += length
      if let id = plan.index?.find(bytes) {
        if isWaiting, let unknown = plan.model.unknown { merger.symbols.append(unknown) }
        isWaiting = false
        merger.symbols.append(Int32(id))
      } else if plan.model.hasByteFallback, bytes.allSatisfy({ plan.byteTokens[Int($0)] >= 0 }) {
        for byte in bytes { merger.symbols.append(plan.byteTokens[Int(byte)]) }
      } else {
        guard let unknown = plan.model.unknown else { throw noToken(Array(bytes)) }
        if isWaiting, !plan.model.fusesUnknown { merger.symbols.append(unknown) }
        isWaiting = true
      }
    }
    if isWaiting, let unknown = plan.model.unknown { merger.symbols.append(unknown) }
  }

  private func noToken(_ bytes: [UInt8]) -> InputError {
    InputError(
      .mismatch, source: plan.source,
      found: "the bytes \(ErrorText.hex(bytes, separator: " ")) in a text, which have no token",
      expected: "a vocabulary of all bytes or with an unknown token")
  }
}
