import BitCore
import BitFiles
import Foundation
import Testing

@testable import BitTokenizers

/// Vocabularies that are learned from texts.
@Suite struct BytePairTrainerTests {
  /// What the package tokenizers learns from the same texts; see make_training.py.
  struct Learned: Decodable {
    struct Vocabulary: Decodable {
      let texts: [String]
      let size: Int
      let tokens: [String]
      let merges: [[String]]
      /// The largest vocabulary that the texts give.
      let most: Int
      let ids: [[Int32]]
    }
    let cases: [String]
    let vocabularies: [Vocabulary]
  }

  static let learned = Result {
    try JSONDecoder().decode(
      Learned.self,
      from: Data(contentsOf: URL(fileURLWithPath: Golden.folder + "/../training.json")))
  }

  private func trainer(_ texts: some Sequence<String>) throws -> BytePairTrainer {
    var trainer = BytePairTrainer()
    for text in texts { try trainer.add(text) }
    return trainer
  }

  private func merges(_ definition: TokenizerDefinition) -> [[String]] {
    guard case .merges(let merges) = definition.model.order else { return [] }
    return merges.map { [$0.left, $0.right].map { definition.tokens.text(Int($0)) } }
  }

  @Test(arguments: 0..<3)
  func vocabulariesAreThoseOfTokenizers(index: Int) throws {
    let learned = try Self.learned.get()
    let golden = learned.vocabularies[index]
    // The order of texts is of no importance.
    for texts in [golden.texts, golden.texts.reversed()] {
      let definition = try trainer(texts).train(vocabularySize: golden.size)
      #expect(definition.tokens == TokenTable(golden.tokens))
      #expect(merges(definition) == golden.merges)
      let tokenizer = try Tokenizer(definition)
      #expect(tokenizer.endOfText == [0] && tokenizer.isSpecial(0))
      for (text, ids) in zip(learned.cases, golden.ids) {
        #expect(try tokenizer.encode(text) == ids, "\(text)")
        #expect(isSame(tokenizer.decode(ids), text))
      }
    }
    let most = try trainer(golden.texts).train(vocabularySize: golden.most)
    #expect(most.tokens.count == golden.most)
    let error = try #require(throws: InputError.self) {
      try trainer(golden.texts).train(vocabularySize: golden.most + 1)
    }
    #expect(error.found.hasPrefix("a size of \(golden.most + 1)"))
    #expect(error.expected == "at most \(golden.most)")
  }

  /// The written file is what the reader and GGUF make the same tokenizer of.
  @Test(arguments: [false, true])
  func filesAndGGUFGiveTheSameIDs(isBytes: Bool) throws {
    let learned = try Self.learned.get()
    let definition =
      try isBytes
      ? .bytes : trainer(learned.vocabularies[0].texts).train(vocabularySize: 500)
    let folder = NSTemporaryDirectory() + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try definition.write(to: folder)
    let read = try TokenizerDefinition(folder: folder)
    #expect(read.tokens == definition.tokens && read.model == definition.model)
    #expect(read.addedTokens == definition.addedTokens)
    #expect(read.endOfText == definition.endOfText)
    #expect(read.configuration["model_max_length"] == nil)
    #expect(read.configuration["tokenizer_class"] == "PreTrainedTokenizerFast")
    let vocabulary = try read.ggufVocabulary()
    #expect(vocabulary.pre == "smollm")
    let tokenizers = try [definition, read, TokenizerDefinition(vocabulary)].map {
      try Tokenizer($0)
    }
    for text in learned.cases {
      let ids = try tokenizers.map { try $0.encode(text) }
      #expect(ids[1] == ids[0] && ids[2] == ids[0])
      #expect(isSame(tokenizers[2].decode(ids[0]), text))
    }
    #expect(tokenizers[2].endOfText == definition.endOfText)
  }

  @Test func bytesAreTheirOwnIDs() throws {
    let tokenizer = try Tokenizer(.bytes)
    #expect(tokenizer.vocabularySize == 257 && tokenizer.endOfText == [256])
    let text = (try Self.learned.get()).cases.joined()
    let plain = text.replacingOccurrences(of: "<|endoftext|>", with: "")
    #expect(try tokenizer.encode(plain) == plain.utf8.map { Int32($0) })
    #expect(try tokenizer.encode("a<|endoftext|>b") == [97, 256, 98])
    for byte in UInt8.min...UInt8.max { #expect(tokenizer.bytes(of: Int32(byte)) == [byte]) }
  }

  /// The most frequent pair, of equal ones that of the lowest ids, by counting anew for each merge.
  @Test(arguments: 0..<40)
  func mergesAreThoseOfCountingAnew(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let letters = Array(["ab", "aab", "abc", "a\u{e9}"][Int(seed % 4)])
    let words = (0..<12).map { _ in
      String(
        (0...Int.random(in: 0..<14, using: &generator)).map { _ in
          letters.randomElement(using: &generator) ?? "a"
        })
    }
    let trainer = try trainer([words.joined(separator: "\n")])
    var pieces = words.map { $0.utf8.map { [$0] } }
    for size in 258..<280 {
      let place = { (byte: UInt8) in ByteAlphabet.scalars[Int(byte)].value }
      var tokens: [[UInt8]] = []
      for piece in pieces { tokens += piece }
      var counts: [[[UInt8]]: Int] = [:]
      for piece in pieces {
        for (a, b) in zip(piece, piece.dropFirst()) { counts[[a, b], default: 0] += 1 }
      }
      guard let most = counts.values.max(), most > 1 else { return }
      let definition = try trainer.train(vocabularySize: size)
      let table = definition.tokenBytes()
      let last = try #require(merges(definition).last).map { name in
        Array(table[definition.tokens.firstID(of: name.utf8).map(Int.init) ?? 0])
      }
      let order = { (token: [UInt8]) in
        token.count == 1
          ? Int(place(token[0]))
          : 1000 + ((0..<table.count).first { Array(table[$0]) == token } ?? 0)
      }
      let best = counts.filter { $0.value == most }.keys
        .min { ($0.map(order)).lexicographicallyPrecedes($1.map(order)) }
      #expect(last == best)
      for index in pieces.indices {
        var piece = pieces[index]
        var start = 0
        while start + 1 < piece.count {
          if [piece[start], piece[start + 1]] == last {
            piece.replaceSubrange(start...start + 1, with: [last[0] + last[1]])
          }
          start += 1
        }
        pieces[index] = piece
      }
    }
  }

  @Test func sizesAndTextsOutOfRangeAreErrors() throws {
    for (texts, size, message) in [
      ([], 300, "found no text"), ([""], 300, "found no text"),
      (["<|endoftext|>"], 300, "found no text"),
      (["abab"], 256, "found a size of 256, expected 257"),
      (["abab"], -1, "found a size of -1, expected 257"),
      (["abab"], 1 << 30, "to 4194304"),
    ] {
      let error = try #require(throws: InputError.self) {
        try trainer(texts).train(vocabularySize: size)
      }
      #expect(error.description.contains(message), "\(error)")
    }
    #expect(try trainer(["a"]).train(vocabularySize: 257).tokens.count == 257)
  }

  /// Encoding finds the special token first, so that nothing of its name need be learned.
  @Test func namesOfTheSpecialTokenAreNotLearned() throws {
    let text = String(repeating: "ab<|endoftext|>", count: 50)
    let error = try #require(throws: InputError.self) {
      try trainer([text]).train(vocabularySize: 300)
    }
    #expect(error.expected == "at most 258")
  }
}
