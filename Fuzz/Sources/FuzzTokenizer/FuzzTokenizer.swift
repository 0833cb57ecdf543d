import BitTokenizers

/// Texts with what tokenizers treat specially.
private let texts = [
  "Hello, world's 12345  \n\n x", "<s> a<|end|>b </s>",
  "caf\u{e9} e\u{301} \u{65e5}\u{672c} \u{1f642}",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "",
]

/// Any bytes are a tokenizer.json that encodes and decodes, or one that is refused by a typed error.
/// What is accepted says the same after it was written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizer(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  guard let definition = try? TokenizerDefinition(tokenizerJSON: bytes),
    let tokenizer = try? Tokenizer(definition)
  else { return 0 }
  guard let written = try? definition.tokenizerJSON(),
    let again = try? Tokenizer(TokenizerDefinition(tokenizerJSON: written))
  else { preconditionFailure("a definition that cannot be read again") }
  for text in texts {
    let ids = try? tokenizer.encode(text)
    precondition(ids == (try? again.encode(text)), "other ids after writing")
    guard let ids else { continue }
    precondition(ids.allSatisfy { tokenizer.name(of: $0) != nil }, "ids without a token")
    decode(ids + [0, -1, .max], tokenizer)
    _ = try? tokenizer.encode(text, addSpecialTokens: false, parseSpecial: false)
  }
  return 0
}

/// What is streamed is what is decoded at once.
private func decode(_ ids: [Int32], _ tokenizer: Tokenizer) {
  for skips in [false, true] {
    var decoder = tokenizer.streamingDecoder(skipSpecialTokens: skips)
    let text = ids.map { decoder.append($0) }.joined() + decoder.finish()
    let whole = tokenizer.decode(ids, skipSpecialTokens: skips)
    precondition(text.utf8.elementsEqual(whole.utf8), "streamed text that differs")
  }
}
