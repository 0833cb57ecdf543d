import BitCore
import Foundation
import Testing

@testable import BitLM

@Suite("Sampler")
struct SamplerTests {
  /// Logits with many ties, some of them minus infinity.
  static func logits(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in
      let number = generator.next() % 64
      return number == 0 ? -.infinity : Float(number % 24) / 2 - 6 + Float(number % 3) / 128
    }
  }

  /// Options of which each is switched on in about half of the cases.
  static func options(_ generator: inout SeededGenerator) -> SamplingOptions {
    func pick<T>(_ values: [T]) -> T { values[Int(generator.next() % UInt64(values.count))] }
    var bias: [Int32: Float] = [:]
    for _ in 0..<pick([0, 0, 3, 9]) {
      bias[Int32(generator.next() % 200)] = pick([-.infinity, -4, -0.5, 0, 0.5, 4, 100])
    }
    return SamplingOptions(
      temperature: pick([0, 0.3, 0.8, 1, 2]), topK: pick([1, 2, 5, 40, 1000]),
      topP: pick([0.2, 0.9, 1]), minP: pick([0, 0.05, 0.5]),
      repetitionPenalty: pick([1, 1, 1.3, 0.8]), frequencyPenalty: pick([0, 0, 0.5, -0.5]),
      presencePenalty: pick([0, 0, 0.75, -0.75]), penaltyWindow: pick([0, 1, 7, 64]),
      logitBias: bias, seed: generator.next())
  }

  /// What a model gives for a request, in an order of no meaning.
  static func candidates(_ logits: [Float], _ request: LogitRequest.Selection) -> TokenLogits {
    guard case .candidates(let count, let ids) = request else { return .all(logits) }
    let ranked = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
    let chosen = ranked.prefix(count).reversed() + ids.map(Int.init)
    return .candidates(chosen.map { CandidateLogit(id: Int32($0), logit: logits[$0]) })
  }

  @Test("From the candidates that are asked for comes what comes from all logits, bit for bit")
  func candidatesSuffice() throws {
    var generator = SeededGenerator(seed: 3)
    var withCandidates = 0
    var withFew = 0
    for _ in 0..<150 {
      let options = Self.options(&generator)
      var whole = try Sampler(options, vocabularySize: 200)
      var part = whole
      for _ in 0..<12 {
        let logits = Self.logits(200, &generator)
        let request = part.request()
        if case .candidates(let count, let ids) = request {
          withCandidates += 1
          if count + ids.count < 100 { withFew += 1 }
        }
        let given = Self.candidates(logits, request)
        let a = try whole.distribution(of: .all(logits))
        let b = try part.distribution(of: given)
        #expect(a.ids == b.ids && a.weights == b.weights && a.total == b.total, "\(options)")
        let token = try whole.sample(.all(logits))
        #expect(try part.sample(given) == token, "\(options)")
      }
    }
    #expect(withCandidates > 1500 && withFew > 700)
  }

  @Test("A request for drafted tokens suffices at each of their places")
  func draftedCandidates() throws {
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<200 {
      let options = Self.options(&generator)
      let drafted = (0..<5).map { _ in Int32(generator.next() % 200) }
      var whole = try Sampler(options, vocabularySize: 200)
      var part = whole
      let request = part.request(drafted: drafted)
      for id in drafted {
        let logits = Self.logits(200, &generator)
        let a = try whole.distribution(of: .all(logits))
        let b = try part.distribution(of: Self.candidates(logits, request))
        #expect(a.ids == b.ids && a.weights == b.weights, "\(options)")
        whole.accept(id)
        part.accept(id)
      }
    }
  }

  @Test("The number of candidates is no larger than need be")
  func numberOfCandidates() throws {
    func request(_ options: SamplingOptions, _ history: [Int32] = []) throws
      -> LogitRequest.Selection
    {
      var sampler = try Sampler(options, vocabularySize: 100)
      for id in history { sampler.accept(id) }
      return sampler.request()
    }
    #expect(try request(.greedy) == .candidates(count: 1, ids: []))
    #expect(try request(SamplingOptions()) == .candidates(count: 40, ids: []))
    #expect(try request(SamplingOptions(topK: 0)) == .all)
    #expect(try request(SamplingOptions(order: .huggingFace)) == .all)
    #expect(try request(SamplingOptions(topK: .max)) == .candidates(count: 100, ids: []))
    let penalty = SamplingOptions(topK: 5, repetitionPenalty: 1.1, penaltyWindow: 2)
    #expect(try request(penalty, [9, 7, 7, 3]) == .candidates(count: 7, ids: [3, 7]))
    let reward = SamplingOptions(topK: 5, presencePenalty: -1)
    #expect(try request(reward, [9, 7]) == .candidates(count: 5, ids: [7, 9]))
    let bias = SamplingOptions(topK: 5, logitBias: [1: 2, 2: -2, 3: 0])
    #expect(try request(bias, [9]) == .candidates(count: 6, ids: [1, 2]))
    let sampler = try Sampler(SamplingOptions(), vocabularySize: 100, alternatives: 0)
    #expect(sampler.request() == .all)
  }

  @Test("Penalties look at the last tokens of the window alone")
  func window() throws {
    let options = SamplingOptions(
      temperature: 0, frequencyPenalty: 1, presencePenalty: 0.5, penaltyWindow: 3)
    var sampler = try Sampler(options, vocabularySize: 4)
    for id: Int32 in [0, 1, 1, 2] { sampler.accept(id) }
    // 0 has left the window; 1 loses 2.5 and 2 loses 1.5.
    #expect(try sampler.sample(.all([3, 5.4, 4.4, 2])).id == 0)
    // Now 1, 2, 0 are in it, each once.
    #expect(try sampler.sample(.all([3, 5.4, 5.3, 3.8])).id == 1)
  }

  @Test("The same seed draws the same tokens, another one others")
  func seeds() throws {
    func draw(_ seed: UInt64) throws -> [Int32] {
      var sampler = try Sampler(
        SamplingOptions(temperature: 1, topK: 0, topP: 1, minP: 0, seed: seed), vocabularySize: 50)
      return try (0..<50).map { _ in
        try sampler.sample(.all((0..<50).map { Float($0 % 7) / 4 })).id
      }
    }
    #expect(try draw(1) == draw(1))
    #expect(try draw(1) != draw(2))
    // These bits are the same on every platform.
    #expect(try draw(1).prefix(8) == [34, 26, 28, 20, 34, 7, 4, 19])
  }

  @Test("Tokens are drawn as often as their probabilities say")
  func frequencies() throws {
    var sampler = try Sampler(
      SamplingOptions(temperature: 1, topK: 0, topP: 1, minP: 0, seed: 5), vocabularySize: 4)
    let probabilities = [0.5, 0.3, 0.15, 0.05]
    let logits = TokenLogits.all(probabilities.map { Float(Foundation.log($0)) })
    var counts = [0, 0, 0, 0]
    for _ in 0..<40_000 { counts[Int(try sampler.sample(logits).id)] += 1 }
    for (count, probability) in zip(counts, probabilities) {
      // Five standard deviations.
      let deviation = (40_000 * probability * (1 - probability)).squareRoot()
      #expect(abs(Double(count) - 40_000 * probability) < 5 * deviation)
    }
  }

  @Test("Log probabilities are those of the model, whatever the options")
  func logProbabilities() throws {
    let logits: [Float] = [1, 3, -.infinity, 2.5, 3]
    let sum = logits.map { Foundation.exp(Double($0)) }.reduce(0, +)
    let options = SamplingOptions(temperature: 0, logitBias: [3: 10])
    var sampler = try Sampler(options, vocabularySize: 5, alternatives: 3)
    let token = try sampler.sample(.all(logits))
    #expect(token.id == 3)
    #expect(abs(try #require(token.logProbability) - (2.5 - Foundation.log(sum))) < 1e-12)
    #expect(token.alternatives.map(\.id) == [1, 4, 3])
    #expect(token.alternatives[2].logProbability == token.logProbability)
    sampler = try Sampler(options, vocabularySize: 5)
    #expect(try sampler.sample(.all(logits)).logProbability == nil)
  }

  @Test(
    "Logits that are no numbers, or leave nothing to choose, are errors",
    arguments: [
      [1, .nan, 2], [.infinity, 0, 0], [-.infinity, -.infinity, -.infinity],
      [-.infinity, 1, -.infinity],
    ] as [[Float]])
  func badLogits(logits: [Float]) throws {
    for temperature in [0, 0.8] {
      let options = SamplingOptions(temperature: temperature, logitBias: [1: -.infinity])
      var sampler = try Sampler(options, vocabularySize: 3)
      let error = #expect(throws: InputError.self) { try sampler.sample(.all(logits)) }
      #expect(error?.kind == .notFinite)
    }
  }

  @Test("A bias for an id that the vocabulary lacks is an error")
  func badBias() {
    let error = #expect(throws: InputError.self) {
      try Sampler(SamplingOptions(logitBias: [5: 1]), vocabularySize: 5)
    }
    #expect(error?.description.contains("below 5") == true)
  }

  @Test(
    "An option out of its range is an error that names it",
    arguments: [
      (SamplingOptions(temperature: -1), "temperature"),
      (SamplingOptions(temperature: .nan), "temperature"),
      (SamplingOptions(temperature: 1e-9), "temperature"),
      (SamplingOptions(topK: -1), "top-k"),
      (SamplingOptions(topP: 0), "top-p"), (SamplingOptions(topP: 1.1), "top-p"),
      (SamplingOptions(minP: -0.1), "min-p"), (SamplingOptions(minP: .nan), "min-p"),
      (SamplingOptions(minP: .leastNonzeroMagnitude), "min-p"),
      (SamplingOptions(repetitionPenalty: 0), "repetition penalty"),
      (SamplingOptions(repetitionPenalty: .infinity), "repetition penalty"),
      (SamplingOptions(frequencyPenalty: .nan), "frequency penalty"),
      (SamplingOptions(presencePenalty: -.infinity), "presence penalty"),
      (SamplingOptions(penaltyWindow: -1), "penalty window"),
      (SamplingOptions(logitBias: [-1: 1]), "logit bias"),
      (SamplingOptions(logitBias: [1: .nan]), "logit bias"),
      (SamplingOptions(logitBias: [1: .infinity]), "logit bias"),
    ])
  func badOptions(options: SamplingOptions, name: String) {
    let error = #expect(throws: InputError.self) { try options.check() }
    #expect(error?.source == name)
  }
}
