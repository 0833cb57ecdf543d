import Testing

@testable import BitLM

@Suite("Sampler beside other programs")
struct SamplerGoldenTests {
  @Test(
    "The tokens to choose from and their probabilities are those of both orders' definitions",
    arguments: SamplingOrder.allCases)
  func distributions(order: SamplingOrder) throws {
    var compared = 0
    for vector in try GoldenSampling.load().vectors {
      for (place, golden) in vector.cases.enumerated() {
        let expected: GoldenSampling.Distribution
        switch (order, golden.hf) {
        case (.llamaCpp, _), (_, .same): expected = golden.llama_cpp
        case (_, .other(let other)): expected = other
        case (_, nil): continue
        }
        var sampler = try Sampler(
          golden.params.options(order), vocabularySize: vector.logits.count)
        for id in vector.history { sampler.accept(id) }
        let found = try sampler.distribution(of: .all(vector.logits.map(\.value)))
        let sorted = zip(found.ids, found.weights).filter { $0.1 > 0 }.sorted { $0.0 < $1.0 }
        // Where a sum of probabilities meets its limit, rounding decides.
        if golden.params.top_p != nil, golden.boundary_margin < 1e-6 { continue }
        #expect(sorted.map(\.0) == expected.kept, "\(vector.name), case \(place)")
        for ((_, weight), probability) in zip(sorted, expected.probs) {
          #expect(abs(weight / found.total - probability) < 1e-6, "\(vector.name), case \(place)")
        }
        compared += 1
      }
    }
    #expect(compared > 150)
  }

  @Test("Temperature 0 chooses the lowest of the ids with the largest logit")
  func greedy() throws {
    for vector in try GoldenSampling.load().vectors {
      var sampler = try Sampler(.greedy, vocabularySize: vector.logits.count)
      let token = try sampler.sample(.all(vector.logits.map(\.value)))
      #expect(token.id == vector.greedy.min(), "\(vector.name)")
    }
  }
}
