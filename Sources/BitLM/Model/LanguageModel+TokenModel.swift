import BitCore

extension LanguageModel: TokenModel {
  package var vocabularySize: Int { configuration.vocabularySize }

  package func makeSequence() -> any TokenSequence { DecoderSequence(self) }
}

extension DecoderSequence: TokenSequence {
  package func evaluate(
    _ tokens: [Int32], _ request: LogitRequest
  ) throws(InputError) -> [TokenLogits] {
    try model.evaluate([SequenceInput(self, tokens, request)])[0]
  }
}
