import BitCore
import BitFiles

// The two models of GGUF vocabularies.

extension GGUFVocabularyWriter {
  /// "gpt2".
  func addBytePairs(to vocabulary: inout GGUFVocabulary) throws(InputError) {
    guard case .merges(let merges) = definition.model.order else {
      throw unsupported("a byte-level vocabulary with scores", "merges")
    }
    let known = GGUFPreTokenizer.known.first {
      $0.isSame(as: definition.preTokenizers) && $0.normalizers == definition.normalizers
    }
    guard let known, let name = known.names.first else {
      throw unsupported(
        "normalizers and pre-tokenizers for which llama.cpp has no name",
        "those of " + GGUFPreTokenizer.known.compactMap(\.names.first).joined(separator: ", "))
    }
    guard case .byteLevel = definition.decoders.first, definition.decoders.count == 1 else {
      throw unsupported("another decoder of a byte-level vocabulary", "ByteLevel")
    }
    guard definition.model.unknown == nil else {
      throw unsupported(
        "unk_token of a byte-level vocabulary", "none, since GGUF cannot express it")
    }
    if known.ignoresMerges != definition.model.ignoresMerges {
      try checkThatMergesDoNotMatter(name)
    }
    vocabulary.pre = name
    var texts = TokenTable()
    for merge in merges {
      let (left, right) = (
        definition.tokens[Int(merge.left)], definition.tokens[Int(merge.right)]
      )
      guard !left.dropFirst().contains(0x20) else {
        throw unsupported(
          "the token \(ErrorText.quoted(definition.tokens.text(Int(merge.left)))) in a merge",
          "a token without a space, which parts the two in GGUF")
      }
      texts.append { text in
        text.append(contentsOf: left)
        text.append(0x20)
        text.append(contentsOf: right)
      }
    }
    vocabulary.merges = texts
  }

  /// The name decides whether a piece that is a token is taken whole. That is of no effect if the
  /// merges lead to each token by themselves.
  private func checkThatMergesDoNotMatter(_ name: String) throws(InputError) {
    var other = definition
    other.model.ignoresMerges.toggle()
    let bytes = definition.tokenBytes()
    let encoders = [
      Encoder(try EncodingPlan(definition, bytes: bytes)),
      Encoder(try EncodingPlan(other, bytes: bytes)),
    ]
    for id in 0..<bytes.count where definition.modelTokens.contains(id) {
      let piece = Array(bytes[id])
      guard piece.withUnsafeBytes({ UTF8Check.isValid($0) }) else { continue }
      for encoder in encoders {
        encoder.ids.removeAll(keepingCapacity: true)
        try piece.withUnsafeBufferPointer { (piece) throws(InputError) in
          guard let base = piece.baseAddress else { return }
          try encoder.encode(TextPointer(base: base, count: piece.count), special: false)
        }
      }
      guard encoders[0].ids == encoders[1].ids else {
        throw unsupported(
          "the token \(ErrorText.quoted(definition.tokens.text(id))), to which no merges lead, and "
            + "ignore_merges \(definition.model.ignoresMerges)",
          "ignore_merges \(!definition.model.ignoresMerges), as \(name) has it in GGUF")
      }
    }
  }

  /// "llama".
  func addScores(to vocabulary: inout GGUFVocabulary) throws(InputError) {
    let mark = "\u{2581}"
    let hasPrefix = definition.normalizers.first == .prepend(mark)
    guard definition.preTokenizers.isEmpty,
      definition.normalizers
        == (hasPrefix ? [.prepend(mark)] : []) + [.replace(" ", with: mark)]
    else {
      throw unsupported(
        "normalizers and pre-tokenizers that GGUF cannot express for characters",
        "an optional Prepend and a Replace of spaces by \(mark)")
    }
    guard
      definition.decoders
        == [.replace(mark, with: " "), .byteFallback, .fuse]
        + (hasPrefix ? [.strip(" ", start: 1, stop: 0)] : [])
    else {
      throw unsupported("decoders that do not undo the normalizers", "the opposite of them")
    }
    guard definition.model.hasByteFallback, !definition.fallbackTokens().contains(-1) else {
      throw unsupported("a vocabulary without tokens of all bytes", "<0x00> to <0xFF>")
    }
    guard !definition.model.ignoresMerges else {
      throw unsupported("ignore_merges true of a vocabulary of characters", "false")
    }
    vocabulary.addsSpacePrefix = hasPrefix
    switch definition.model.order {
    case .scores(let scores): vocabulary.scores = scores
    case .merges(let merges): vocabulary.scores = try scores(of: merges)
    }
  }

  /// Scores that give the same order as merges: all merges of a token must stand together, and there
  /// must be one for each way to make a token of two others.
  private func scores(of merges: [Merge]) throws(InputError) -> [Float] {
    var scores = [Float](repeating: 0, count: definition.tokens.count)
    var isDone = [Bool](repeating: false, count: scores.count)
    var last: Int32 = -1
    var rank: Float = 0
    for merge in merges {
      if merge.result == last { continue }
      guard !isDone[Int(merge.result)] else {
        throw unsupported(
          "merges of \(ErrorText.quoted(definition.tokens.text(Int(merge.result)))) with others "
            + "between them", "all merges of a token together, since GGUF has scores instead")
      }
      isDone[Int(merge.result)] = true
      rank += 1
      scores[Int(merge.result)] = -rank
      last = merge.result
    }
    let listed = Set(merges.map { Int64($0.left) << 32 | Int64($0.right) })
    for merge in try ScoredMerges(definition, scores).merges {
      guard listed.contains(Int64(merge.left) << 32 | Int64(merge.right)) else {
        let names = [merge.left, merge.right].map {
          ErrorText.quoted(definition.tokens.text(Int($0)))
        }
        throw unsupported(
          "no merge of \(names.joined(separator: " and ")), which together are a token",
          "a merge, since GGUF has scores instead, by which they merge")
      }
    }
    return scores
  }
}
