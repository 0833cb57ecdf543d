import BitCore
import BitFiles

/// What each token adds to a text, in a table.
struct DecodingPlan: Sendable {
  /// What is different at the start of a text.
  enum Start: Sendable, Equatable {
    /// Nothing.
    case plain
    /// Up to so many of a character are removed.
    case strip([UInt8], count: Int)
    /// The marks of the first token are removed instead of becoming spaces.
    case marks([UInt8])
  }

  /// The bytes of each token.
  let pieces: TokenTable
  let start: Start
  /// The texts of the tokens, for ``Start/marks(_:)``.
  let tokens: TokenTable

  /// The plan of a definition.
  ///
  /// - Parameter bytes: what the tokens of a byte-level vocabulary stand for.
  init(_ definition: TokenizerDefinition, bytes: TokenTable) throws(InputError) {
    tokens = definition.tokens
    var start = Start.plain
    var steps: [DecoderStep] = []
    var isFused = false
    func unsupported(_ found: String, _ expected: String) -> InputError {
      InputError(.unsupported, source: definition.source, found: found, expected: expected)
    }
    for (place, step) in definition.decoders.enumerated() {
      switch step {
      case .byteLevel, .metaspace:
        guard definition.decoders.count == 1 else {
          throw unsupported("a ByteLevel or Metaspace decoder among others", "it alone")
        }
        if case .metaspace(let options) = step, options.prefix != .never {
          start = .marks(Array(options.mark.utf8))
        }
        steps.append(step)
      case .replace where !isFused, .byteFallback where !isFused: steps.append(step)
      case .fuse where !isFused: isFused = true
      case .strip(let content, let count, 0)
      where isFused && place == definition.decoders.count - 1 && !content.isEmpty:
        if count > 0 { start = .strip(Array(content.utf8), count: count) }
      default:
        throw unsupported(
          "a decoder sequence that is not known",
          "Replace, ByteFallback, Fuse and a Strip of the start, in this order")
      }
    }
    guard !definition.decoders.isEmpty else {
      throw unsupported("no decoder", "ByteLevel, Metaspace or a Sequence")
    }
    self.start = start
    pieces = Self.pieces(definition, steps, bytes)
  }

  private static func pieces(
    _ definition: TokenizerDefinition, _ steps: [DecoderStep], _ bytes: TokenTable
  ) -> TokenTable {
    if case .byteLevel = steps.first { return bytes }
    var pieces = TokenTable()
    pieces.reserve(definition.tokens.count, bytes: definition.tokens.bytes.count)
    for id in 0..<definition.tokens.count {
      pieces.append(Self.piece(Array(definition.tokens[id]), steps))
    }
    return pieces
  }

  private static func piece(_ token: [UInt8], _ steps: [DecoderStep]) -> [UInt8] {
    var piece = token
    for step in steps {
      switch step {
      case .replace(let pattern, let content):
        piece = replace(Array(pattern.utf8), Array(content.utf8), in: piece)
      case .metaspace(let options): piece = replace(Array(options.mark.utf8), [0x20], in: piece)
      case .byteFallback:
        if let byte = piece.withUnsafeBytes({ TokenizerDefinition.fallbackByte($0) }) {
          return [byte]
        }
      case .byteLevel, .fuse, .strip: break
      }
    }
    return piece
  }

  private static func replace(
    _ pattern: [UInt8], _ content: [UInt8], in bytes: [UInt8]
  ) -> [UInt8] {
    bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return bytes }
      let text = TextPointer(base: base, count: buffer.count)
      return TextNormalizer.replace(pattern, with: content, in: text) ?? bytes
    }
  }
}

extension DecodingPlan {
  /// What has been decoded so far, as far as what follows depends on it.
  struct State: Sendable {
    private var isFirst = true
    /// How many characters may still be removed.
    private var strips = 0

    init(_ start: Start) {
      if case .strip(_, let count) = start { strips = count }
    }

    /// Appends what a token adds; nothing if there is no such id.
    mutating func append(_ id: Int32, _ plan: DecodingPlan, to bytes: inout [UInt8]) {
      guard id >= 0, Int(id) < plan.pieces.count else { return }
      defer { isFirst = false }
      switch plan.start {
      case .marks(let mark) where isFirst:
        bytes += DecodingPlan.replace(mark, [], in: Array(plan.tokens[Int(id)]))
      case .strip(let content, _) where strips > 0:
        var piece = plan.pieces[Int(id)]
        while strips > 0, !piece.isEmpty, piece.starts(with: content) {
          piece = piece.dropFirst(content.count)
          strips -= 1
        }
        if !piece.isEmpty { strips = 0 }
        bytes += piece
      default: bytes += plan.pieces[Int(id)]
      }
    }
  }
}
