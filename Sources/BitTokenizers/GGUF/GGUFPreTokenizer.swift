/// What llama.cpp's names of pre-tokenizers stand for.
struct GGUFPreTokenizer {
  /// The names; the first is for writing.
  let names: [String]
  let preTokenizers: [PreTokenizerStep]
  var normalizers: [NormalizerStep] = []
  var ignoresMerges = false
  var addsBeginOfText = false

  /// Those that are known.
  ///
  /// llama.cpp itself leaves out Qwen's normalization; the files that the models came with, whose
  /// ids are right, have it.
  static let known = [
    GGUFPreTokenizer(
      names: ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon_e", "falcon-h1", "lfm2"],
      preTokenizers: split(.llama3), ignoresMerges: true, addsBeginOfText: true),
    GGUFPreTokenizer(
      names: ["qwen2", "deepseek-r1-qwen"], preTokenizers: split(.qwen2), normalizers: [.nfc]),
    GGUFPreTokenizer(names: ["qwen35"], preTokenizers: split(.qwen35), normalizers: [.nfc]),
    GGUFPreTokenizer(
      names: ["gpt-2", "phi-2", "olmo", "mpt"],
      preTokenizers: [.byteLevel(.init(addsPrefixSpace: false))]),
    GGUFPreTokenizer(
      names: ["smollm", "starcoder", "refact", "command-r", "codeshell"],
      preTokenizers: [.digits(individual: true), .byteLevel(.init(addsPrefixSpace: false))]),
    GGUFPreTokenizer(
      names: ["falcon"],
      preTokenizers: [
        .punctuation(contiguous: true), .byteLevel(.init(addsPrefixSpace: false)),
        .digits(individual: false), .split(.threeDigits),
      ]),
  ]

  private static func split(_ pattern: SplitPattern) -> [PreTokenizerStep] {
    [.split(pattern), .byteLevel(.init(addsPrefixSpace: false, usesPattern: false))]
  }

  /// What a name stands for.
  static func named(_ name: String) -> GGUFPreTokenizer? {
    known.first { $0.names.contains { $0.utf8.elementsEqual(name.utf8) } }
  }

  /// Whether these steps cut as the given ones, which may say in other words what has no effect.
  func isSame(as steps: [PreTokenizerStep]) -> Bool {
    preTokenizers.map(Self.plain) == steps.map(Self.plain)
  }

  private static func plain(_ step: PreTokenizerStep) -> PreTokenizerStep {
    switch step {
    case .byteLevel(var options):
      options.trimsOffsets = true
      return .byteLevel(options)
    case .split(.digit): return .digits(individual: true)
    default: return step
    }
  }
}
