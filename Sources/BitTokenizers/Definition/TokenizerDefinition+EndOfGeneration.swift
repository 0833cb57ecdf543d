import BitFiles

extension TokenizerDefinition {
  /// Names of tokens that end a turn in some model, as llama.cpp lists them.
  static let turnEnds = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|end_of_text|>", "<|endoftext|>", "<|eom_id|>",
    "<end_of_turn>", "</s>",
  ]

  /// ``endOfText`` and the tokens with the names of ``turnEnds``.
  ///
  /// Names in bars are taken for what they say wherever they are; of the others only added tokens,
  /// since a vocabulary of text from the web has `</s>` as ordinary text, too.
  func endOfGeneration() -> Set<Int32> {
    var ids = Set(endOfText)
    let added = Set(addedTokens.map(\.id))
    let names = Set(Self.turnEnds.map { ByteKey($0) })
    for id in 0..<tokens.count where tokens[id].first == UInt8(ascii: "<") && tokens[id].count < 16
    {
      guard names.contains(ByteKey(tokens.text(id))) else { continue }
      let isInBars = tokens[id].starts(with: "<|".utf8)
      if isInBars || added.contains(Int32(id)) { ids.insert(Int32(id)) }
    }
    return ids
  }
}
