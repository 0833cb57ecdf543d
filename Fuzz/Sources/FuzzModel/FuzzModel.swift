import BitFormats
import BitLM

/// Any bytes are a language model that runs, or one that is refused by a typed error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzModel(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  guard let file = try? GGUFFile(bytes: bytes), let model = try? ModelFile(file) else { return 0 }
  for activations: ActivationMode? in [nil, .float] {
    let options = LanguageModel.Options(activations: activations)
    guard let model = try? LanguageModel.load(model, options: options) else { return 0 }
    run(model)
  }
  return 0
}

/// A few tokens, of which there may be none, and the embedding of a text.
private func run(_ model: LanguageModel) {
  let size = Int32(clamping: model.configuration.vocabularySize)
  let prompt = [0, 1, size / 2, size - 1].filter { 0..<size ~= $0 }
  let options = GenerationOptions(maxTokens: 4, draftNGram: 2)
  if let result = try? model.generate(ids: prompt, options: options) {
    precondition(result.ids.allSatisfy { 0..<size ~= $0 }, "a token outside the vocabulary")
  }
  if let embedding = try? model.embedding(ids: prompt) {
    precondition(embedding.count == model.configuration.hiddenSize, "another embedding")
  }
  if let ids = try? model.tokenizer?.encode("ab a<s>") { _ = model.tokenizer?.decode(ids) }
}
