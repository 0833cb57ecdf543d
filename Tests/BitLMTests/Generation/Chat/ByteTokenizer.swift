import BitFiles
import BitTokenizers

/// A tokenizer of 256 tokens for single bytes, and three special ones: 256 `<s>`, which begins a
/// text, 257 `<|im_start|>` and 258 `<|im_end|>`.
enum ByteTokenizer {
  static func make() throws -> Tokenizer {
    var vocabulary: JSONObject = [:]
    for (byte, scalar) in alphabet.enumerated() {
      vocabulary[String(scalar)] = .integer(Int64(byte))
    }
    let added: [JSONValue] = ["<s>", "<|im_start|>", "<|im_end|>"].enumerated().map {
      [
        "id": .integer(Int64(256 + $0)), "content": .string($1), "special": true,
        "normalized": false, "lstrip": false, "rstrip": false, "single_word": false,
      ]
    }
    let bytes: JSONValue = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    let begin: JSONValue = ["SpecialToken": ["id": "<s>", "type_id": 0]]
    let text: JSONValue = ["Sequence": ["id": "A", "type_id": 0]]
    let around: JSONValue = [
      "type": "TemplateProcessing", "single": [begin, text],
      "pair": [begin, text, ["Sequence": ["id": "B", "type_id": 1]]],
      "special_tokens": ["<s>": ["id": "<s>", "ids": [256], "tokens": ["<s>"]]],
    ]
    let json: JSONValue = [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(added),
      "normalizer": nil, "pre_tokenizer": bytes, "post_processor": around, "decoder": bytes,
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil,
        "end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false,
        "vocab": .object(vocabulary), "merges": [],
      ],
    ]
    var definition = try TokenizerDefinition(tokenizerJSON: Array(json.encoded.utf8))
    // What a tokenizer_config.json says.
    definition.beginOfText = 256
    return try Tokenizer(definition)
  }

  /// GPT-2's names of the bytes: those that can be printed are themselves, the others follow from
  /// U+0100 on.
  private static var alphabet: [Unicode.Scalar] {
    var next: UInt32 = 0x100
    return (UInt8.min...UInt8.max).map { byte in
      switch byte {
      case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? "?"
      }
    }
  }
}
