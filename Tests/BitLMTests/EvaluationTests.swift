import BitCore
import BitLM
import Testing

/// The logits of a text depend on its tokens alone, to the bit.
struct EvaluationTests {
  /// One model of each kind: ternary with 8 and 16 bits of activations, blocks, signs, floats.
  static let models = GoldenModel.all.filter { golden in
    [
      "lm/qwen3-t128-tied", "lm/gguf/qwen3-s128-untied-q1_0.gguf",
      "lm/gguf/llama-float-64-q4_1.gguf", "lm/bitnet-64-long", "gguf/tiny256-tq1_0.gguf",
    ].contains(golden.path)
  }

  static let precisions = CachePrecision.allCases

  private func model(
    _ golden: GoldenModel, _ precision: CachePrecision = .float16
  ) throws -> LanguageModel {
    let isInt16 = golden.kind == "a16" && golden.path != "lm/gguf/llama-float-64-q4_1.gguf"
    return try golden.load(
      LanguageModel.Options(activations: isInt16 ? .int16 : nil, cachePrecision: precision))
  }

  /// Longer than a chunk of the cache where the model allows it.
  private func text(_ model: LanguageModel, _ length: Int = 300, seed: UInt64 = 1) -> [Int32] {
    var generator = SeededGenerator(seed: seed)
    return (0..<min(length, model.contextLength)).map { _ in
      Int32.random(in: 0..<Int32(model.configuration.vocabularySize), using: &generator)
    }
  }

  private func bits(_ logits: [TokenLogits]) -> [[UInt32]] {
    logits.map {
      guard case .all(let values) = $0 else { return [] }
      return values.map(\.bitPattern)
    }
  }

  private func evaluate(
    _ model: LanguageModel, _ sequence: DecoderSequence, _ tokens: some Sequence<Int32>
  ) throws -> [[UInt32]] {
    bits(try model.evaluate([SequenceInput(sequence, Array(tokens), LogitRequest(.all))])[0])
  }

  @Test("A text at once has the bits of the text in pieces", arguments: models, precisions)
  func pieces(_ golden: GoldenModel, _ precision: CachePrecision) throws {
    let model = try model(golden, precision)
    let text = text(model)
    let whole = try evaluate(model, DecoderSequence(model), text)
    #expect(Set(whole).count > 1)
    for length in [1, 7, 64, 129] {
      let sequence = DecoderSequence(model)
      var pieces: [[UInt32]] = []
      for first in stride(from: 0, to: text.count, by: length) {
        pieces += try evaluate(model, sequence, text[first..<min(text.count, first + length)])
      }
      #expect(pieces == whole, "pieces of \(length)")
      #expect(sequence.count == text.count)
    }
  }

  @Test("Texts in a batch have the bits that they have alone", arguments: models)
  func batch(_ golden: GoldenModel) throws {
    let model = try model(golden)
    let lengths = [5, 1, 40, 90]
    let texts = lengths.enumerated().map { text(model, $1, seed: UInt64($0 + 2)) }
    let sequences = texts.map { _ in DecoderSequence(model) }
    let alone = try texts.map { try evaluate(model, DecoderSequence(model), $0) }
    // The first half of each in one batch, then the rest in another.
    var batched: [[[UInt32]]] = Array(repeating: [], count: texts.count)
    for part in [{ $0.prefix(($0.count + 1) / 2) }, { $0.dropFirst(($0.count + 1) / 2) }]
      as [([Int32]) -> ArraySlice<Int32>]
    {
      let inputs = zip(sequences, texts).enumerated().filter { !part($1.1).isEmpty }
      let logits = try model.evaluate(
        inputs.map { SequenceInput($1.0, Array(part($1.1)), LogitRequest(.all)) })
      for (input, logits) in zip(inputs, logits) { batched[input.offset] += bits(logits) }
    }
    #expect(batched == alone)
  }

  @Test("A text that goes on from a cached one has the bits of the whole", arguments: models)
  func cachedPrefix(_ golden: GoldenModel) throws {
    let model = try model(golden)
    let text = text(model)
    let whole = try evaluate(model, DecoderSequence(model), text)
    let sequence = DecoderSequence(model)
    let half = text.count / 2 + 3
    _ = try evaluate(model, sequence, text[..<half])
    // Two copies share memory; what one adds, the other one and the original must not see.
    let (copy, other) = (sequence.copy(), sequence.copy())
    _ = try evaluate(model, other, text[..<5])
    #expect(try evaluate(model, copy, text[half...]) == Array(whole[half...]))
    #expect(try evaluate(model, sequence, text[half...]) == Array(whole[half...]))
    for count in [half + 1, 256, 17, 0] where count < text.count {
      #expect(copy.truncate(to: count) == count)
      #expect(try evaluate(model, copy, text[count...]) == Array(whole[count...]))
    }
  }

  @Test("Any number of threads gives the same bits", arguments: models)
  func threads(_ golden: GoldenModel) throws {
    let model = try model(golden)
    let text = text(model)
    let pool = ThreadPool.shared
    let limit = pool.limit
    defer { pool.limit = limit }
    var results: [[[UInt32]]] = []
    for threads in 1...3 {
      pool.limit = threads
      let sequence = DecoderSequence(model)
      var logits = try evaluate(model, sequence, text.dropLast(3))
      for token in text.suffix(3) { logits += try evaluate(model, sequence, [token]) }
      results.append(logits)
    }
    #expect(results[1] == results[0])
    #expect(results[2] == results[0])
  }

  @Test("The largest logits found by a screen are those of all", arguments: models)
  func candidates(_ golden: GoldenModel) throws {
    let model = try model(golden)
    for seed in 0..<8 {
      let text = text(model, 12, seed: UInt64(seed))
      let ids: [Int32] = [0, 3, 200]
      let request = LogitRequest(.last, .candidates(count: 5, ids: ids))
      let result = try model.evaluate([
        SequenceInput(DecoderSequence(model), text, request)
      ])[0][0]
      let all = try #require(model.allLogits(of: text).last)
      guard case .candidates(let candidates) = result else { continue }
      let order = all.indices.sorted { (-all[$0], $0) < (-all[$1], $1) }
      #expect(candidates.prefix(5).map { Int($0.id) } == Array(order.prefix(5)))
      #expect(candidates.allSatisfy { $0.logit == all[Int($0.id)] })
      #expect(ids.allSatisfy { id in candidates.contains { $0.id == id } })
    }
  }

  @Test("Memory grows with the text, a chunk at a time")
  func memory() throws {
    let golden = try #require(Self.models.first { $0.path == "lm/bitnet-64-long" })
    let model = try model(golden)
    let sequence = DecoderSequence(model)
    #expect(sequence.byteCount == 0)
    _ = try evaluate(model, sequence, text(model, 1))
    let chunk = sequence.byteCount
    let configuration = model.configuration
    #expect(
      chunk
        == configuration.layerCount * 256 * configuration.keyValueHeadCount
        * configuration.headLength * 2 * 2)
    _ = try evaluate(model, sequence, text(model, 255))
    #expect(sequence.byteCount == chunk)
    _ = try evaluate(model, sequence, text(model, 1))
    #expect(sequence.byteCount == 2 * chunk)
  }

  @Test("A text beyond the context and ids outside the vocabulary are errors that change nothing")
  func refusals() throws {
    let golden = try #require(Self.models.first { $0.path == "lm/bitnet-64-long" })
    let model = try golden.load(LanguageModel.Options(contextLength: 10))
    let sequence = DecoderSequence(model)
    _ = try evaluate(model, sequence, text(model, 6))
    let tooLong = #expect(throws: InputError.self) {
      try evaluate(model, sequence, text(model, 5))
    }
    #expect(tooLong?.kind == .mismatch)
    #expect(tooLong?.found.contains("11") == true)
    #expect(tooLong?.expected.contains("10") == true)
    for id in [-1, Int32(model.configuration.vocabularySize), .max, .min] {
      let error = #expect(throws: InputError.self) { try evaluate(model, sequence, [1, id]) }
      #expect(error?.found.contains("\(id)") == true)
    }
    #expect(sequence.count == 6)
    let fresh = DecoderSequence(model)
    let all = try evaluate(model, fresh, text(model, 10))
    #expect(try evaluate(model, sequence, text(model, 10)[6...]) == Array(all[6...]))
  }
}
