import BitCore
import BitFiles

/// The tokens that a text begins and ends with.
struct SpecialTokens {
  var begin: Int?
  /// Ascending, without repetitions.
  var end: [Int] = []

  /// Those of `generation_config.json` and `config.json`; the former says what begins a text.
  init(_ model: ModelFile, _ config: DecoderKeys) throws(InputError) {
    var sources: [DecoderKeys] = []
    if let object = try model.sibling("generation_config.json") {
      sources.append(DecoderKeys(object, source: "\(model.path), generation_config.json"))
    }
    var ids: Set<Int> = []
    for keys in sources + [config] {
      if begin == nil { begin = try keys.integer("bos_token_id", in: Self.range) }
      guard let value = keys["eos_token_id"] else { continue }
      for element in value.arrayValue ?? [value] {
        guard let id = element.integerValue.flatMap({ Int(exactly: $0) }), Self.range.contains(id)
        else {
          throw keys.error(.malformed, "eos_token_id", element, "an integer from 0, or some")
        }
        ids.insert(id)
      }
    }
    end = ids.sorted()
  }

  /// Those of a GGUF file: the ends of a text, of a turn and of a message.
  init(_ keys: DecoderKeys) throws(InputError) {
    begin = try keys.integer("tokenizer.ggml.bos_token_id", in: Self.range)
    var ids: Set<Int> = []
    for name in ["eos", "eot", "eom"] {
      if let id = try keys.integer("tokenizer.ggml.\(name)_token_id", in: Self.range) {
        ids.insert(id)
      }
    }
    end = ids.sorted()
  }

  private static let range = 0...Int(Int32.max)
}
