/// The tokenizer in the metadata of a GGUF file, for whoever has the file to fill and to write.
package struct GGUFVocabulary: Sendable {
  /// tokenizer.ggml.model: "gpt2" (byte pairs) or "llama" (scores).
  package var model: String
  /// tokenizer.ggml.pre: the name of a pre-tokenizer.
  package var pre: String?
  /// tokenizer.ggml.tokens, by id.
  package var tokens: TokenTable
  /// tokenizer.ggml.token_type: see ``TokenType``; all normal if there are none.
  package var types: [Int32]?
  /// tokenizer.ggml.scores, of "llama" only.
  package var scores: [Float]?
  /// tokenizer.ggml.merges, "a b" each, of "gpt2" only.
  package var merges: TokenTable?
  /// tokenizer.ggml.bos_token_id.
  package var beginOfText: Int?
  /// tokenizer.ggml.eos_token_id.
  package var endOfText: Int?
  /// tokenizer.ggml.eot_token_id: the end of a turn.
  package var endOfTurn: Int?
  /// tokenizer.ggml.eom_token_id: the end of a message.
  package var endOfMessage: Int?
  /// tokenizer.ggml.unknown_token_id.
  package var unknown: Int?
  /// tokenizer.ggml.padding_token_id.
  package var padding: Int?
  /// tokenizer.ggml.add_bos_token.
  package var addsBeginOfText: Bool?
  /// tokenizer.ggml.add_eos_token.
  package var addsEndOfText: Bool?
  /// tokenizer.ggml.add_space_prefix.
  package var addsSpacePrefix: Bool?
  /// tokenizer.ggml.remove_extra_whitespaces, which is supported only if false.
  package var removesExtraSpaces: Bool?
  /// tokenizer.chat_template.
  package var chatTemplate: String?
  /// tokenizer.chat_template.NAME, for the names of tokenizer.chat_templates.
  package var namedChatTemplates: [TokenizerDefinition.NamedTemplate] = []

  /// The kinds of tokens, by their numbers in a file.
  package enum TokenType: Int32, Sendable {
    /// Text.
    case normal = 1
    /// What stands for characters without a token.
    case unknown = 2
    /// What stands for something other than text.
    case control = 3
    /// Text that is found before all else.
    case userDefined = 4
    /// Nothing.
    case unused = 5
    /// A byte.
    case byte = 6
  }

  /// A vocabulary of which all but the tokens is left open.
  package init(model: String, tokens: TokenTable) {
    self.model = model
    self.tokens = tokens
  }
}
