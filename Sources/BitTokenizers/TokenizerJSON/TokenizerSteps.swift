import BitCore
import BitFiles

/// Reads the normalizers, pre-tokenizers, post-processors and decoders of a tokenizer.json. What is
/// unknown is refused by its name.
struct TokenizerSteps {
  let source: String

  /// The steps of a value: none, one, or those of a "Sequence" whose list has the name `list`.
  func flatten(
    _ value: JSONValue, _ role: String, list: String
  ) throws(InputError) -> [(type: String, value: JSONValue)] {
    if value == .null { return [] }
    guard let type = value["type"]?.stringValue else {
      throw malformed("a \(role) that is \(value.kindName) without a type", "\"type\"")
    }
    guard type == "Sequence" else { return [(type, value)] }
    guard let parts = value[list]?.arrayValue else {
      throw malformed("a \(role) Sequence without \"\(list)\"", "an array")
    }
    var steps: [(type: String, value: JSONValue)] = []
    for part in parts {
      steps += try flatten(part, role, list: list)
      if steps.count > TokenizerLimits.steps {
        throw malformed("more \(role)s", "at most \(TokenizerLimits.steps)")
      }
    }
    return steps
  }

  func normalizers(_ value: JSONValue) throws(InputError) -> [NormalizerStep] {
    var steps: [NormalizerStep] = []
    for (type, value) in try flatten(value, "normalizer", list: "normalizers") {
      switch type {
      case "NFC": steps.append(.nfc)
      case "Prepend": steps.append(.prepend(try text(value, "prepend", of: type)))
      case "Replace":
        let (pattern, content) = try replacement(value)
        steps.append(.replace(pattern, with: content))
      default: throw unknown("normalizer", type, "NFC, Prepend, Replace or Sequence")
      }
    }
    return steps
  }

  func preTokenizers(_ value: JSONValue) throws(InputError) -> [PreTokenizerStep] {
    var steps: [PreTokenizerStep] = []
    for (type, value) in try flatten(value, "pre-tokenizer", list: "pretokenizers") {
      switch type {
      case "Split": steps.append(.split(try splitPattern(value)))
      case "Digits":
        steps.append(.digits(individual: try flag(value, "individual_digits", of: type, false)))
      case "Punctuation":
        let behavior = value["behavior"]?.stringValue ?? "Isolated"
        guard behavior == "Contiguous" || behavior == "Isolated" else {
          throw unknown("behavior of Punctuation", behavior, "Contiguous or Isolated")
        }
        steps.append(.punctuation(contiguous: behavior == "Contiguous"))
      case "ByteLevel": steps.append(.byteLevel(try byteLevel(value)))
      case "Metaspace": steps.append(.metaspace(try metaspace(value)))
      default:
        throw unknown(
          "pre-tokenizer", type, "Split, Digits, Punctuation, ByteLevel, Metaspace or Sequence")
      }
    }
    return steps
  }

  func postProcessors(_ value: JSONValue) throws(InputError) -> [PostProcessorStep] {
    var steps: [PostProcessorStep] = []
    for (type, value) in try flatten(value, "post-processor", list: "processors") {
      switch type {
      case "ByteLevel": steps.append(.byteLevel(try byteLevel(value)))
      case "TemplateProcessing": steps.append(.template(try template(value)))
      default: throw unknown("post-processor", type, "ByteLevel, TemplateProcessing or Sequence")
      }
    }
    return steps
  }

  func decoders(_ value: JSONValue) throws(InputError) -> [DecoderStep] {
    var steps: [DecoderStep] = []
    for (type, value) in try flatten(value, "decoder", list: "decoders") {
      switch type {
      case "ByteLevel": steps.append(.byteLevel(try byteLevel(value)))
      case "Metaspace": steps.append(.metaspace(try metaspace(value)))
      case "Replace":
        let (pattern, content) = try replacement(value)
        steps.append(.replace(pattern, with: content))
      case "ByteFallback": steps.append(.byteFallback)
      case "Fuse": steps.append(.fuse)
      case "Strip":
        steps.append(
          .strip(
            try text(value, "content", of: type), start: try count(value, "start", of: type),
            stop: try count(value, "stop", of: type)))
      default:
        throw unknown(
          "decoder", type, "ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip or Sequence")
      }
    }
    return steps
  }
}
