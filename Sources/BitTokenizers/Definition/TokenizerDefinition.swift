import BitCore
import BitFiles

/// Everything that a tokenizer does, free of the file that says so.
///
/// It is read from a Hugging Face folder or from the metadata of a GGUF file, and written as either.
/// What the other form cannot express is an error.
///
/// ```swift
/// let definition = try TokenizerDefinition(folder: "SmolLM2")
/// let tokenizer = try Tokenizer(definition)
/// ```
public struct TokenizerDefinition: Sendable {
  /// The name for errors: the file that it comes from.
  package var source: String
  /// The text of each id as files have it, which for byte-level tokenizers are GPT-2's stand-ins for
  /// bytes; empty where an id has no token. Added tokens are among them.
  package var tokens: TokenTable
  /// The ids that ``model`` may make, which excludes tokens that are only added.
  package var modelTokens: ModelTokens
  /// How pieces of text become tokens.
  package var model: TokenizerModel
  /// Tokens that are found in the text before all else.
  package var addedTokens: [AddedToken] = []
  /// Ids that only fill the vocabulary up.
  package var unusedTokens: [Int32] = []
  /// Changes of the text.
  package var normalizers: [NormalizerStep] = []
  /// How the text is cut into pieces, one step after the other.
  package var preTokenizers: [PreTokenizerStep] = []
  /// What is put around a text's ids.
  package var postProcessors: [PostProcessorStep] = []
  /// The way back to text.
  package var decoders: [DecoderStep] = []
  /// The token that begins a text, if there is one.
  package var beginOfText: Int32?
  /// The tokens that end a text, the main one first.
  package var endOfText: [Int32] = []
  /// The token that fills up shorter texts of a batch, if there is one.
  package var padding: Int32?
  /// The token by which files name the unknown, even where ``model`` never makes it.
  package var unknownToken: Int32?
  /// The members of tokenizer_config.json, which are written again with what is known better.
  package var configuration: JSONObject = [:]
  /// The template that makes a prompt of a conversation, in Jinja.
  public var chatTemplate: String?
  /// Further templates by name, such as one for tools.
  public var namedChatTemplates: [NamedTemplate] = []
  /// What was assumed because the file does not say it, to be shown to the user.
  public internal(set) var warnings: [String] = []

  /// A chat template with its name.
  public struct NamedTemplate: Sendable, Equatable {
    /// The name.
    public var name: String
    /// The template, in Jinja.
    public var text: String

    /// A template with its name.
    package init(name: String, text: String) { (self.name, self.text) = (name, text) }
  }

  /// Which ids the model's vocabulary has.
  package enum ModelTokens: Sendable, Equatable {
    /// Those below a number.
    case below(Int)
    /// Those marked.
    case marked([Bool])

    func contains(_ id: Int) -> Bool {
      switch self {
      case .below(let count): id < count
      case .marked(let marks): marks[id]
      }
    }
  }
}

extension TokenizerDefinition {
  /// Whether the model merges bytes, as GPT-2 does, rather than characters.
  package var isByteLevel: Bool {
    preTokenizers.contains { if case .byteLevel = $0 { true } else { false } }
  }

  /// The ids before and after a text.
  package var around: (before: [Int32], after: [Int32]) {
    var (before, after): ([Int32], [Int32]) = ([], [])
    for case .template(let template) in postProcessors {
      let ids = template.around
      before = ids.before + before
      after += ids.after
    }
    return (before, after)
  }

  /// Whether a text's ids start with ``beginOfText``.
  package var addsBeginOfText: Bool { beginOfText != nil && around.before.first == beginOfText }

  /// Whether a text's ids end with the first of ``endOfText``.
  package var addsEndOfText: Bool { !endOfText.isEmpty && around.after.last == endOfText.first }

  /// The post-processors that put the given tokens around a text.
  static func around(
    begin: (id: Int32, text: String)?, end: (id: Int32, text: String)?
  ) -> [PostProcessorStep] {
    typealias Part = PostProcessorTemplate.Part
    let tokens = [begin, end].compactMap { $0 }.map {
      PostProcessorTemplate.Special(name: $0.text, ids: [$0.id], texts: [$0.text])
    }
    guard !tokens.isEmpty else { return [] }
    func parts(_ name: String, _ type: Int64) -> [Part] {
      (begin.map { [.special(name: $0.text, type: type)] } ?? [])
        + [.text(name: name, type: type)]
        + (end.map { [.special(name: $0.text, type: type)] } ?? [])
    }
    return [
      .template(
        PostProcessorTemplate(
          single: parts("A", 0), pair: parts("A", 0) + parts("B", 1), tokens: tokens))
    ]
  }
}
