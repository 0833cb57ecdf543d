import BitFiles

// Each part of a definition as tokenizer.json has it.

extension AddedToken {
  var json: JSONValue {
    [
      "id": .integer(Int64(id)), "content": .string(content), "single_word": .bool(isSingleWord),
      "lstrip": .bool(stripsLeft), "rstrip": .bool(stripsRight), "normalized": .bool(isNormalized),
      "special": .bool(isSpecial),
    ]
  }
}

extension NormalizerStep {
  var json: JSONValue {
    switch self {
    case .nfc: ["type": "NFC"]
    case .prepend(let prefix): ["type": "Prepend", "prepend": .string(prefix)]
    case .replace(let pattern, let content): DecoderStep.replacement(pattern, content)
    }
  }
}

extension PreTokenizerStep {
  var json: JSONValue {
    switch self {
    case .split(let pattern):
      [
        "type": "Split", "pattern": ["Regex": .string(pattern.expression)],
        "behavior": "Isolated", "invert": false,
      ]
    case .digits(let individual): ["type": "Digits", "individual_digits": .bool(individual)]
    case .punctuation(let contiguous):
      ["type": "Punctuation", "behavior": contiguous ? "Contiguous" : "Isolated"]
    case .byteLevel(let options): options.json
    case .metaspace(let options): options.json
    }
  }
}

extension PreTokenizerStep.ByteLevel {
  var json: JSONValue {
    [
      "type": "ByteLevel", "add_prefix_space": .bool(addsPrefixSpace),
      "trim_offsets": .bool(trimsOffsets), "use_regex": .bool(usesPattern),
    ]
  }
}

extension PreTokenizerStep.Metaspace {
  var json: JSONValue {
    [
      "type": "Metaspace", "replacement": .string(mark),
      "prepend_scheme": .string(prefix.rawValue), "split": .bool(splits),
    ]
  }
}

extension PostProcessorStep {
  var json: JSONValue {
    switch self {
    case .byteLevel(let options): options.json
    case .template(let template):
      [
        "type": "TemplateProcessing", "single": .array(template.single.map(\.json)),
        "pair": .array(template.pair.map(\.json)),
        "special_tokens": .object(JSONObject(template.tokens.map { ($0.name, $0.json) })),
      ]
    }
  }
}

extension PostProcessorTemplate.Part {
  var json: JSONValue {
    switch self {
    case .special(let name, let type):
      ["SpecialToken": ["id": .string(name), "type_id": .integer(type)]]
    case .text(let name, let type):
      ["Sequence": ["id": .string(name), "type_id": .integer(type)]]
    }
  }
}

extension PostProcessorTemplate.Special {
  var json: JSONValue {
    [
      "id": .string(name), "ids": .array(ids.map { .integer(Int64($0)) }),
      "tokens": .array(texts.map { .string($0) }),
    ]
  }
}

extension DecoderStep {
  static func replacement(_ pattern: String, _ content: String) -> JSONValue {
    ["type": "Replace", "pattern": ["String": .string(pattern)], "content": .string(content)]
  }

  var json: JSONValue {
    switch self {
    case .byteLevel(let options): options.json
    case .metaspace(let options): options.json
    case .replace(let pattern, let content): Self.replacement(pattern, content)
    case .byteFallback: ["type": "ByteFallback"]
    case .fuse: ["type": "Fuse"]
    case .strip(let content, let start, let stop):
      [
        "type": "Strip", "content": .string(content), "start": .integer(Int64(start)),
        "stop": .integer(Int64(stop)),
      ]
    }
  }
}
