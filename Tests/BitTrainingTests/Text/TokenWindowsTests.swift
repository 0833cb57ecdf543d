import BitCore
import BitTokenizers
import Testing

@testable import BitTraining

@Suite struct TokenWindowsTests {
  /// Tokens of which each but the last is another.
  private func distinct(_ count: Int) throws -> TokenDataset {
    try TokenDatasetTests.dataset(
      [String(decoding: (1..<UInt8(count)).map { $0 }, as: UTF8.self)])
  }

  @Test(arguments: [(50, 7), (50, 49), (51, 10), (100, 1), (64, 8)])
  func anEpochHasEachTokenOnce(count: Int, length: Int) throws {
    let tokens = try distinct(count)
    #expect(tokens.count == count)
    let windows = try TokenWindows(tokens, length: length, seed: 3)
    #expect(windows.countPerEpoch == count / length)
    let codes = tokens.codes
    for epoch in 0..<20 {
      var labels: [Int32] = []
      for index in 0..<windows.countPerEpoch {
        let window = windows[epoch * windows.countPerEpoch + index]
        #expect(window.inputs.count == length && window.labels.count == length)
        for (input, label) in zip(window.inputs, window.labels) {
          let place = try #require(codes.firstIndex(of: input))
          // Nothing comes after the last token.
          #expect(label == (place + 1 < count ? codes[place + 1] : TokenWindows.ignoredLabel))
        }
        // Inside a window the labels are the next inputs.
        for place in 1..<max(1, length) where window.labels[place - 1] >= 0 {
          #expect(window.inputs[place] == window.labels[place - 1])
        }
        labels += window.labels
      }
      #expect(Set(labels).count == labels.count)
      #expect(labels.count > count - length)
    }
  }

  @Test func windowsDependOnTheirNumberAlone() throws {
    let tokens = try distinct(100)
    let windows = try TokenWindows(tokens, length: 9, seed: 5)
    let forward = (0..<60).map { windows[$0] }
    let again = try TokenWindows(tokens, length: 9, seed: 5)
    for n in (0..<60).reversed() { #expect(again[n] == forward[n]) }
    for size in [1, 4, 7, 25] {
      for step in 0..<60 / size {
        let batch = windows.batch(step, of: size)
        let part = forward[step * size..<(step + 1) * size]
        #expect(batch.inputs == part.flatMap(\.inputs))
        #expect(batch.labels == part.flatMap(\.labels))
      }
    }
    // Another seed, and each epoch, has another order and other places.
    let other = try TokenWindows(tokens, length: 9, seed: 6)
    let epochs = [
      (0..<11).map { windows[$0].inputs }, (11..<22).map { windows[$0].inputs },
      (0..<11).map { other[$0].inputs },
    ]
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
      #expect(epochs[a] != epochs[b])
      #expect(Set(epochs[a]) != Set(epochs[b]))
    }
  }

  /// The numbers that resuming and data-parallel training rely on.
  @Test func theOrderStays() throws {
    let windows = try TokenWindows(distinct(40), length: 4, seed: 1)
    #expect((0..<12).map { windows[$0].inputs[0] } == Self.order)
  }

  @Test func maskedTokensAreReadButNotLearned() throws {
    let documents = [
      TextDocument(prompt: "ab", completion: "cd"), TextDocument(prompt: "ef", completion: "gh"),
    ]
    let tokens = try TokenDataset(
      TextCorpus(documents), tokenizer: TokenDatasetTests.tokenizer(), masksPrompts: true)
    let windows = try TokenWindows(tokens, length: 3, seed: 0)
    let learned = Set("cdgh".utf8.map { Int32($0) } + [256])
    for n in 0..<40 {
      #expect(windows[n].inputs.allSatisfy { $0 >= 0 })
      #expect(windows[n].labels.allSatisfy { learned.contains($0) || $0 == -100 })
    }
  }

  @Test func tooFewTokensAreAnError() throws {
    let tokens = try distinct(10)
    #expect(try TokenWindows(tokens, length: 9, seed: 0).countPerEpoch == 1)
    let error = try #require(throws: InputError.self) {
      try TokenWindows(tokens, length: 10, seed: 0)
    }
    #expect(error.found == "10 tokens" && error.expected.hasPrefix("at least 11"))
    #expect(throws: InputError.self) { try ValidationWindows(tokens, length: 10) }
  }

  @Test(arguments: [1, 3, 4, 5, 13])
  func validationHasEachTokenOnce(length: Int) throws {
    let text = "na\u{ef}ve \u{1f642} ok"
    let tokens = try TokenDatasetTests.dataset([text, "z"])
    let windows = try ValidationWindows(tokens, length: length)
    var labels: [Int32] = []
    var size = TextSize()
    for window in windows {
      #expect(window.inputs.count == length && window.labels.count == length)
      let rest = window.labels.drop { $0 != TokenWindows.ignoredLabel }
      #expect(rest.allSatisfy { $0 == TokenWindows.ignoredLabel })
      #expect(window.inputs[0] == tokens.codes[labels.count])
      labels += window.labels.filter { $0 >= 0 }
      size += window.size
    }
    #expect(labels == Array(tokens.codes.dropFirst()))
    // All but the first character and the two ends are predicted.
    #expect(size.characters == text.unicodeScalars.count && size.tokens == tokens.count - 1)
    #expect(size.bytes == text.utf8.count)
    let first = try ValidationWindows(tokens, length: length, limit: 2)
    #expect(Array(first) == Array(windows.prefix(2)))
  }

  @Test(arguments: [1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097])
  func permutationsHaveEachNumberOnce(count: Int) {
    var generator = SeededGenerator(seed: UInt64(count))
    let order = SeededPermutation(count, using: &generator)
    #expect((0..<count).map { order[$0] }.sorted() == Array(0..<count))
    // A number in its own place is as rare as chance has it: one is expected.
    if count > 10 { #expect((0..<count).count { order[$0] == $0 } < 8) }
  }

  /// All orders of four elements are about equally frequent.
  @Test func permutationsAreEven() {
    var generator = SeededGenerator(seed: 9)
    var counts: [[Int]: Int] = [:]
    for _ in 0..<4800 {
      let order = SeededPermutation(4, using: &generator)
      counts[(0..<4).map { order[$0] }, default: 0] += 1
    }
    #expect(counts.count == 24)
    #expect(counts.values.allSatisfy { $0 > 140 && $0 < 260 }, "\(counts.values.sorted())")
  }

  /// The first tokens of twelve windows, by another program.
  static let order: [Int32] = [26, 10, 22, 38, 34, 14, 2, 6, 30, 18, 9, 17]
}
