import BitCore
import BitFiles

/// Collects tokens with their ids in any order and puts them in the order of ids.
struct VocabularyBuilder {
  let source: String
  /// The texts in the order of the file.
  private(set) var texts = TokenTable()
  /// The id of each text.
  private(set) var ids: [Int32] = []

  init(source: String, fileBytes: Int) {
    self.source = source
    // A token takes about 20 bytes of the file, of which 8 are its text; half of the file is merges.
    texts.reserve(fileBytes / 64, bytes: fileBytes / 8)
    ids.reserveCapacity(fileBytes / 64)
  }

  /// Takes one text, which `body` appends to a buffer.
  mutating func append(
    text body: (inout [UInt8]) throws(InputError) -> Void
  ) throws(InputError) {
    try texts.append(body)
    let size = texts.range(texts.count - 1).count
    guard size > 0, size <= TokenizerLimits.tokenBytes else {
      throw malformed("a token of \(size) bytes", "1 to \(TokenizerLimits.tokenBytes) bytes")
    }
    guard texts.count <= TokenizerLimits.tokens, texts.bytes.count <= TokenTable.byteLimit else {
      throw malformed("more tokens", "at most \(TokenizerLimits.tokens) of 1 GiB together")
    }
  }

  /// Takes the id of the last text.
  mutating func append(id: Int64) throws(InputError) {
    guard id >= 0, id < TokenizerLimits.tokens else {
      throw malformed("the id \(id) of a token", "0 to \(TokenizerLimits.tokens - 1)")
    }
    ids.append(Int32(id))
  }

  /// The tokens by id, with those that are only added, and which ids belong to the model.
  ///
  /// An id that has a text already must have the same in `added`.
  func finish(
    adding added: [AddedToken]
  ) throws(InputError) -> (tokens: TokenTable, members: TokenizerDefinition.ModelTokens) {
    let highest = max(ids.max() ?? -1, added.map(\.id).max() ?? -1)
    let count = Int(highest) + 1
    let all = ids.count + added.count
    guard count <= 2 * all + TokenizerLimits.holes else {
      throw malformed("the id \(highest) among \(all) tokens", "ids in a row but for a few")
    }
    var places = [Int32](repeating: -1, count: count)
    var isInOrder = true
    for (place, id) in ids.enumerated() {
      isInOrder = isInOrder && place == id
      guard places[Int(id)] < 0 else { throw twice(id, texts.text(place)) }
      places[Int(id)] = Int32(place)
    }
    var extra: [Int32: AddedToken] = [:]
    for token in added {
      let place = places[Int(token.id)]
      if let other = extra[token.id] {
        guard other.content.utf8.elementsEqual(token.content.utf8) else {
          throw twice(token.id, token.content)
        }
      } else if place >= 0 {
        guard texts[Int(place)].elementsEqual(token.content.utf8) else {
          throw twice(token.id, token.content)
        }
      } else {
        extra[token.id] = token
      }
    }
    if isInOrder, extra.isEmpty { return (texts, .below(count)) }
    var tokens = TokenTable()
    tokens.reserve(count, bytes: texts.bytes.count + 16 * extra.count)
    for id in 0..<count {
      let place = places[id]
      if place >= 0 {
        tokens.append(texts[Int(place)])
      } else if let token = extra[Int32(id)] {
        tokens.append(token.content.utf8)
      } else {
        tokens.append([])
      }
    }
    if isInOrder { return (tokens, .below(ids.count)) }
    return (tokens, .marked(places.map { $0 >= 0 }))
  }

  private func twice(_ id: Int32, _ text: String) -> InputError {
    malformed("the id \(id) of \(ErrorText.quoted(text)) for another token too", "an id for each")
  }

  private func malformed(_ found: String, _ expected: String) -> InputError {
    InputError(.malformed, source: source, found: found, expected: expected)
  }
}
