import BitCore
import Testing

@testable import BitLM

@Suite("Generating")
struct TokenGeneratorTests {
  static func generator(
    _ model: FakeModel, prompt: [Int32] = [1, 2, 3], _ options: GenerationOptions,
    cache: TokenCache? = nil, endIDs: Set<Int32> = []
  ) throws(InputError) -> TokenGenerator {
    if let cache {
      return try TokenGenerator(
        prompt: prompt, cache: cache, options: options, decoder: FakeDecoder(), endIDs: endIDs)
    }
    return try TokenGenerator(
      prompt: prompt, cache: TokenCache(model), options: options, decoder: FakeDecoder(),
      endIDs: endIDs)
  }

  static func generate(
    _ model: FakeModel, prompt: [Int32] = [1, 2, 3], _ options: GenerationOptions,
    cache: TokenCache? = nil, endIDs: Set<Int32> = []
  ) throws -> GenerationResult {
    var generator = try generator(model, prompt: prompt, options, cache: cache, endIDs: endIDs)
    return try generator.run { false }
  }

  /// The tokens by a loop that does nothing but sample.
  static func expected(
    _ model: FakeModel, prompt: [Int32], _ options: SamplingOptions, count: Int
  ) throws -> [Int32] {
    var sampler = try Sampler(options, vocabularySize: model.vocabularySize)
    var tokens = prompt
    for id in prompt { sampler.accept(id) }
    for _ in 0..<count {
      tokens.append(try sampler.sample(.all(model.logits(after: tokens))).id)
    }
    return Array(tokens.dropFirst(prompt.count))
  }

  static let samplings: [SamplingOptions] = [
    .greedy, SamplingOptions(seed: 1), SamplingOptions(temperature: 0.2, topK: 3, seed: 2),
    SamplingOptions(temperature: 0.1, topK: 0, topP: 0.5, seed: 3),
    SamplingOptions(temperature: 0.3, topK: 4, repetitionPenalty: 1.02, seed: 4),
    SamplingOptions(temperature: 0, frequencyPenalty: 0.01, logitBias: [5: 2, 6: -2]),
    SamplingOptions(temperature: 0.2, seed: 5, order: .huggingFace),
  ]

  @Test(
    "Drafts, batches and truncation leave the tokens as a plain loop gives them",
    arguments: samplings)
  func drafts(sampling: SamplingOptions) throws {
    let prompt: [Int32] = [1, 2, 3, 4, 1, 2, 3, 9, 1, 2]
    var accepted = 0
    for memory in [1, 3] {
      for (draft, batch, step) in [(0, 512, 1), (0, 3, 1), (4, 512, 1), (16, 1, 1), (5, 4, 7)] {
        let model = FakeModel(memory: memory, step: step)
        let options = GenerationOptions(
          sampling: sampling, maxTokens: 80, draftNGram: draft, batchSize: batch)
        let result = try Self.generate(model, prompt: prompt, options)
        let expected = try Self.expected(model, prompt: prompt, sampling, count: 80)
        #expect(result.ids == expected)
        #expect(result.finishReason == .length)
        #expect((result.drafts.tests > 0) == (draft > 0 && result.drafts.drafted > 0))
        accepted += result.drafts.accepted
      }
    }
    if sampling.temperature < 0.3 { #expect(accepted > 20) }
  }

  @Test("The time and the drafts of the last step count, too")
  func lastStep() throws {
    let model = FakeModel(memory: 1)
    let one = try Self.generate(model, GenerationOptions(sampling: .greedy, maxTokens: 1))
    #expect(one.promptSeconds > 0 && one.timedTokens == 0 && one.generationSeconds == 0)
    let two = try Self.generate(model, GenerationOptions(sampling: .greedy, maxTokens: 2))
    #expect(two.timedTokens == 1 && two.generationSeconds > 0)
    // A text that repeats itself, of which each step tests a guess: the last one, too.
    let long = try Self.generate(model, GenerationOptions(sampling: .greedy, maxTokens: 100))
    for count in [8, 20] {
      let options = GenerationOptions(sampling: .greedy, maxTokens: count, draftNGram: 64)
      let rest = try Self.generate(model, prompt: [1, 2, 3] + long.ids, options)
      #expect(rest.drafts.tests > 0 && rest.generationSeconds > 0)
      #expect(rest.drafts.accepted + rest.drafts.tests >= rest.timedTokens)
    }
  }

  @Test("A draft takes fewer evaluations than the text has tokens")
  func fewerEvaluations() throws {
    let model = FakeModel(memory: 1)
    let options = GenerationOptions(sampling: .greedy, maxTokens: 200, draftNGram: 8)
    let result = try Self.generate(model, options)
    #expect(model.evaluations.withLock(\.count) < 80)
    #expect(result.tokens.count == 200)
    #expect(result.drafts.acceptance > 0.5)
  }

  @Test("The prompt is evaluated in batches, its logits at the end alone")
  func batches() throws {
    let model = FakeModel()
    let prompt = (0..<25).map { Int32($0) }
    _ = try Self.generate(model, prompt: prompt, GenerationOptions(maxTokens: 3, batchSize: 10))
    #expect(model.evaluations.withLock { $0 } == [10, 10, 5, 1, 1])
  }

  @Test("What a prompt has in common with the cache is not evaluated again")
  func cachedPrefix() throws {
    for step in [1, 4] {
      let model = FakeModel(step: step)
      let options = GenerationOptions(sampling: .greedy, maxTokens: 10)
      var first = try Self.generator(model, prompt: [1, 2, 3, 4, 5, 6, 7], options)
      let text = try first.run { false }
      let whole = [1, 2, 3, 4, 5, 6, 7] + text.ids
      #expect(first.cache.ids == whole.dropLast())

      // The same prompt, one that goes on, one that branches off, one of nothing known.
      for (prompt, cached) in [
        (whole + [8, 9], 16), (Array(whole.prefix(9)) + [0, 0], 9), (Array(whole.prefix(7)), 6),
        ([9, 8], 0),
      ] {
        var again = try Self.generator(model, prompt: prompt, options, cache: first.cache)
        let result = try again.run { false }
        #expect(result.cachedTokens == cached / step * step || result.cachedTokens == cached)
        #expect(result.ids == (try Self.generate(model, prompt: prompt, options)).ids)
        first = try Self.generator(model, prompt: whole, options, cache: again.cache)
        _ = try first.run { false }
      }
    }
  }

  @Test("A prompt that does not fit into the context is an error with both numbers")
  func longPrompt() throws {
    let model = FakeModel(contextLength: 20)
    let options = GenerationOptions()
    for count in [20, 21, 1000] {
      let error = #expect(throws: InputError.self) {
        try Self.generator(model, prompt: Array(repeating: 1, count: count), options)
      }
      #expect(error?.found == "\(count) tokens")
      #expect(error?.expected.contains("20") == true)
    }
    // One token fits behind it.
    let result = try Self.generate(model, prompt: Array(repeating: 1, count: 19), options)
    #expect(result.tokens.count == 1 && result.finishReason == .length)
  }

  @Test("A full context ends the text, with drafts too", arguments: [0, 8])
  func fullContext(draft: Int) throws {
    let model = FakeModel(contextLength: 50, memory: 1)
    let options = GenerationOptions(sampling: .greedy, draftNGram: draft)
    let result = try Self.generate(model, options)
    #expect(result.tokens.count == 47)
    #expect(result.finishReason == .length)
  }

  @Test("No prompt and ids that the vocabulary lacks are errors", arguments: [[], [64], [1, -1]])
  func badPrompts(prompt: [Int32]) {
    #expect(throws: InputError.self) {
      try Self.generator(FakeModel(), prompt: prompt, GenerationOptions())
    }
  }

  @Test("An end token ends the text and is not part of it, unless end tokens are ignored")
  func endTokens() throws {
    let model = FakeModel()
    let plain = try Self.generate(
      model, GenerationOptions(sampling: .greedy, maxTokens: 30))
    let end = plain.ids[12]
    let count = try #require(plain.ids.firstIndex(of: end))
    let options = GenerationOptions(sampling: .greedy, maxTokens: 30)
    for (stopIDs, endIDs) in [([], [end]), ([end], [])] as [(Set<Int32>, Set<Int32>)] {
      var options = options
      options.stopIDs = stopIDs
      let result = try Self.generate(model, options, endIDs: endIDs)
      #expect(result.ids == Array(plain.ids.prefix(count)))
      #expect(result.finishReason == .stop && result.stopString == nil)
      #expect(plain.text.hasPrefix(result.text))
    }
    var ignoring = options
    ignoring.ignoresEndOfText = true
    let result = try Self.generate(model, ignoring, endIDs: [end, 1000])
    #expect(result.tokens.count == 30 && !result.ids.contains(end))
    #expect(result.ids.prefix(count) == plain.ids.prefix(count))
  }

  @Test("A stop string ends the text and is not shown, whole or in part")
  func stopStrings() throws {
    let model = FakeModel()
    for draft in [0, 6] {
      let plain = try Self.generate(
        model, GenerationOptions(sampling: .greedy, maxTokens: 60, draftNGram: draft))
      let text = Array(plain.text.utf8)
      let stop = String(decoding: text[20..<24], as: UTF8.self)
      let options = GenerationOptions(
        sampling: .greedy, maxTokens: 60, stopStrings: [stop, "no such text"], draftNGram: draft)
      var generator = try Self.generator(model, options)
      var shown = ""
      let result = try generator.run(isCancelled: { false }, show: { shown += $0.text })
      #expect(shown == result.text)
      #expect(result.finishReason == .stop && result.stopString == stop)
      #expect(Array(result.text.utf8) == Array(text[..<20]))
    }
  }

  @Test("Pieces add up to the result, each of whole scalars")
  func pieces() throws {
    // Tokens 60 and 61 are the halves of one scalar, 60 twice and at the end is none.
    var fixed: [Int: [Float]] = [:]
    for (place, id) in [0, 60, 61, 60, 60, 61, 1, 60].enumerated() {
      fixed[3 + place] = (0..<64).map { $0 == id ? 9 : 0 }
    }
    let model = FakeModel(fixed: fixed)
    var generator = try Self.generator(model, GenerationOptions(sampling: .greedy, maxTokens: 8))
    var pieces: [GeneratedPiece] = []
    let result = try generator.run(isCancelled: { false }, show: { pieces.append($0) })
    #expect(result.text == "aé\u{fffd}éb\u{fffd}")
    #expect(pieces.map(\.text).joined() == result.text)
    #expect(pieces.flatMap(\.tokens) == result.tokens)
    #expect(pieces.map { $0.result != nil } == pieces.indices.map { $0 == pieces.count - 1 })
    #expect(pieces.map(\.tokens.count) == [1, 2, 2, 1, 1, 1])
    #expect(try generator.next() == nil)
  }

  @Test("Log probabilities come with each token, and change none")
  func logProbabilities() throws {
    let sampling = SamplingOptions(seed: 9)
    let plain = try Self.generate(
      FakeModel(), GenerationOptions(sampling: sampling, maxTokens: 20))
    let result = try Self.generate(
      FakeModel(), GenerationOptions(sampling: sampling, maxTokens: 20, logProbabilities: 2))
    #expect(result.ids == plain.ids)
    for token in result.tokens {
      let logProbability = try #require(token.logProbability)
      #expect(token.alternatives.count == 2)
      #expect(logProbability <= token.alternatives[0].logProbability)
    }
  }

  @Test("No tokens may be asked for: the prompt enters the cache")
  func noTokens() throws {
    var generator = try Self.generator(FakeModel(), GenerationOptions(maxTokens: 0))
    let result = try generator.run { false }
    #expect(result.tokens.isEmpty && result.text.isEmpty && result.finishReason == .length)
    #expect(generator.cache.ids == [1, 2, 3])
  }

  @Test("A cancelled text ends with what there is")
  func cancelled() throws {
    var generator = try Self.generator(FakeModel(), GenerationOptions(sampling: .greedy))
    var pieces = 0
    let result = try generator.run(isCancelled: { pieces >= 5 }, show: { _ in pieces += 1 })
    #expect(result.finishReason == .cancelled)
    #expect(5...6 ~= result.tokens.count)
    generator = try Self.generator(FakeModel(), GenerationOptions())
    generator.cancel()
    #expect(try generator.run { false }.tokens.isEmpty)
  }

  @Test("After the model's error the cache is as long as what it has evaluated")
  func errors() throws {
    let model = FakeModel(failure: 30)
    var generator = try Self.generator(
      model, GenerationOptions(sampling: .greedy, draftNGram: 4, batchSize: 2))
    #expect(throws: InputError.self) { try generator.run { false } }
    #expect(26...30 ~= generator.cache.ids.count)
    // The cache is still of use.
    let again = try Self.generate(
      model, prompt: [1, 2, 3, 4], GenerationOptions(sampling: .greedy, maxTokens: 9),
      cache: generator.cache)
    #expect(again.cachedTokens == 3 && again.tokens.count == 9)
  }

  @Test("Logits that are no numbers are an error, not a token")
  func notNumbers() throws {
    let model = FakeModel(fixed: [8: Array(repeating: .nan, count: 64)])
    for sampling in [SamplingOptions.greedy, SamplingOptions()] {
      let error = #expect(throws: InputError.self) {
        try Self.generate(model, GenerationOptions(sampling: sampling))
      }
      #expect(error?.kind == .notFinite)
    }
  }

  @Test(
    "An option out of its range is an error that names it",
    arguments: [
      (GenerationOptions(maxTokens: -1), "maximum of tokens"),
      (GenerationOptions(logProbabilities: -1), "log probabilities"),
      (GenerationOptions(draftNGram: -1), "n-gram drafts"),
      (GenerationOptions(draftNGram: 65), "n-gram drafts"),
      (GenerationOptions(batchSize: 0), "batch size"),
      (GenerationOptions(stopStrings: [""]), "stop strings"),
      (GenerationOptions(sampling: SamplingOptions(topP: 2)), "top-p"),
    ])
  func badOptions(options: GenerationOptions, name: String) {
    let error = #expect(throws: InputError.self) {
      try Self.generator(FakeModel(), options)
    }
    #expect(error?.source == name)
  }
}
