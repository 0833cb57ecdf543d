import BitCore
import BitFiles

extension TokenizerDefinition {
  /// What the tokens of a byte-level vocabulary stand for; a token with a character that stands for
  /// no byte stands for its own text.
  func tokenBytes() -> TokenTable {
    var table = TokenTable()
    table.reserve(tokens.count, bytes: tokens.bytes.count)
    for id in 0..<tokens.count {
      tokens.withBytes(of: id) { text in
        table.append { (bytes) in
          if !ByteAlphabet.decode(text, to: &bytes) { bytes.append(contentsOf: text) }
        }
      }
    }
    return table
  }

  /// The tokens `<0x00>` to `<0xFF>`, or -1, if the model falls back to them.
  func fallbackTokens() -> [Int32] {
    var found = [Int32](repeating: -1, count: 256)
    guard model.hasByteFallback else { return found }
    for id in 0..<tokens.count where tokens.range(id).count == 6 && modelTokens.contains(id) {
      let byte = tokens.withBytes(of: id) { Self.fallbackByte($0) }
      // The model looks for them with upper-case digits.
      if let byte, tokens[id].elementsEqual(Self.fallbackText(byte)) {
        found[Int(byte)] = Int32(id)
      }
    }
    return found
  }

  /// The byte of `<0x41>` and the like.
  static func fallbackByte(_ text: UnsafeRawBufferPointer) -> UInt8? {
    guard text.count == 6, text[0] == UInt8(ascii: "<"), text[1] == UInt8(ascii: "0"),
      text[2] == UInt8(ascii: "x"), text[5] == UInt8(ascii: ">")
    else { return nil }
    func digit(_ byte: UInt8) -> UInt8? {
      switch byte {
      case 0x30...0x39: byte - 0x30
      case 0x41...0x46: byte - 0x41 + 10
      case 0x61...0x66: byte - 0x61 + 10
      default: nil
      }
    }
    guard let high = digit(text[3]), let low = digit(text[4]) else { return nil }
    return high << 4 | low
  }

  /// The token of a byte.
  static func fallbackText(_ byte: UInt8) -> [UInt8] {
    Array("<0x\(ErrorText.hex([byte]).uppercased())>".utf8)
  }

  /// The merges of the model, and a table of them.
  func mergeTable() throws(InputError) -> ([Merge], MergeTable) {
    switch model.order {
    case .merges(let merges): return (merges, MergeTable(merges) { UInt32($0) })
    case .scores(let scores):
      let scored = try ScoredMerges(self, scores)
      return (scored.merges, MergeTable(scored.merges) { scored.ranks[$0] })
    }
  }

  /// The ids of tokens that no merges may lead to: those that stand for something other than text.
  var specialIDs: Set<Int32> { Set(addedTokens.filter(\.isSpecial).map(\.id)) }

  /// Checks that templates name tokens as they are.
  func checkTemplates() throws(InputError) {
    for case .template(let template) in postProcessors {
      for special in template.tokens {
        for (id, text) in zip(special.ids, special.texts) {
          guard id >= 0, Int(id) < tokens.count, tokens[Int(id)].elementsEqual(text.utf8) else {
            throw InputError(
              .mismatch, source: source,
              found: "\(ErrorText.quoted(text)) with id \(id) in TemplateProcessing",
              expected: "a token of the vocabulary with its id")
          }
        }
      }
    }
  }
}
