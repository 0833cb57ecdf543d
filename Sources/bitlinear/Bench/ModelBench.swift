import BitCore
import BitLM

/// Measures a language model: how fast it reads a prompt, and how fast it generates.
struct ModelBench {
  private let model: LanguageModel
  private let flags: ModelBenchFlags
  /// Byte products in registers, for as long as a measurement of the peak takes.
  private static let peakRounds = 1 << 16
  /// Tokens that are evaluated at once.
  private static let batchTokens = 512

  /// Loads a model.
  ///
  /// - Throws: ``InputError`` as loading does, and for texts that are longer than the context.
  init(_ path: String, _ flags: ModelBenchFlags) throws(InputError) {
    self.flags = flags
    model = try LoadedModel(path: path, options: flags.options).model
    let longest = max(
      flags.promptTokens,
      flags.generatedTokens > 0 ? flags.generatedTokens + (flags.depths.max() ?? 0) : 0)
    guard longest <= model.contextLength else {
      throw InputError(
        .mismatch, source: path, found: "a text of \(longest) tokens to measure",
        expected: "at most \(model.contextLength), the length of the context")
    }
    guard model.configuration.pooling == .none else {
      throw InputError(
        .unsupported, source: path, found: "a model that embeds texts",
        expected: "one that generates them")
    }
  }

  /// Measures with each number of threads and prints the results.
  func run(threads: [Int], json: Bool) throws(InputError) {
    var results: [ModelBenchResult] = []
    for count in threads {
      ThreadPool.shared.limit = count
      if flags.promptTokens > 0 {
        try add(prompt(threads: count), to: &results, json: json)
      }
      guard flags.generatedTokens > 0 else { continue }
      for depth in flags.depths {
        try add(generation(depth: depth, threads: count), to: &results, json: json)
      }
    }
    guard !json else { return }
    try Output.write(
      """
      Kernels: \(CPU.kernelName), \(CPU.features)
      Activations: \(model.options.activations?.name ?? ""), \
      bytes of weights for a token: \(model.bytesPerToken)
      \(TextTable(header: ModelBenchResult.header, rows: results.map(\.row)))
      """)
  }

  private func add(
    _ result: ModelBenchResult, to results: inout [ModelBenchResult], json: Bool
  ) throws(InputError) {
    results.append(result)
    if json { try Output.write(result.json) }
  }

  /// Any tokens do: what they are does not change the time.
  private func tokens(_ count: Int) -> [Int32] {
    var generator = SeededGenerator(seed: 0)
    let size = UInt64(model.configuration.vocabularySize)
    return (0..<count).map { _ in Int32(generator.next() % size) }
  }

  private func prompt(threads: Int) throws(InputError) -> ModelBenchResult {
    let ids = tokens(flags.promptTokens)
    let seconds = try median { () throws(InputError) in
      try evaluate(ids, in: DecoderSequence(model))
    }
    return result(
      .prompt, tokens: ids.count, depth: 0, threads: threads, seconds: seconds)
  }

  private func generation(depth: Int, threads: Int) throws(InputError) -> ModelBenchResult {
    let ids = tokens(flags.generatedTokens)
    let sequence = DecoderSequence(model)
    try evaluate(tokens(depth), in: sequence)
    // The most likely token only, as generating with temperature 0 asks for.
    let request = LogitRequest(.last, .candidates(count: 1, ids: []))
    let seconds = try median { () throws(InputError) in
      sequence.truncate(to: depth)
      for id in ids { _ = try model.evaluate([SequenceInput(sequence, [id], request)]) }
    }
    return result(
      .generation, tokens: ids.count, depth: depth, threads: threads, seconds: seconds)
  }

  private func evaluate(_ ids: [Int32], in sequence: DecoderSequence) throws(InputError) {
    for start in stride(from: 0, to: ids.count, by: Self.batchTokens) {
      let end = min(ids.count, start + Self.batchTokens)
      let request = LogitRequest(
        end == ids.count ? .last : .none, .candidates(count: 1, ids: []))
      _ = try model.evaluate([SequenceInput(sequence, Array(ids[start..<end]), request)])
    }
  }

  /// The median time of the repetitions; one more goes before them, to warm up.
  private func median(_ body: () throws(InputError) -> Void) throws(InputError) -> Double {
    try body()
    var times: [Double] = []
    for _ in 0..<(flags.repetitions ?? 5) {
      let begin = ContinuousClock.now
      try body()
      times.append((ContinuousClock.now - begin) / .seconds(1))
    }
    return times.sorted()[times.count / 2]
  }

  private func result(
    _ kind: ModelBenchResult.Kind, tokens: Int, depth: Int, threads: Int, seconds: Double
  ) -> ModelBenchResult {
    let limit = MemoryLimit(of: model, positions: depth + tokens / 2, roundSeconds: 0.015)
    // Reading is measured with the limit of the shared pool, products with as many threads.
    let peak = MachinePeak(bytes: 0)
    let pool = ThreadPool(threads: threads)
    let timing = Timing.inTurn(
      rounds: 5, [{ _ = peak.multiply(rounds: Self.peakRounds, pool: pool) }])[0]
    let operations = Double(peak.multiply(rounds: Self.peakRounds, pool: pool))
    return ModelBenchResult(
      kind: kind, tokens: tokens, depth: depth, threads: threads, seconds: seconds,
      limit: limit, codes: model.codeCount,
      operandBytes: model.options.activations.map(Self.operandBytes) ?? nil,
      peakGOPs: operations / timing.median * 1e-3)
  }

  /// The bytes of an activation that the kernels multiply; nil if they multiply floats.
  private static func operandBytes(_ mode: ActivationMode) -> Int? {
    switch mode {
    case .float: nil
    case .int8, .int8Blocks: 1
    case .int16: 2
    }
  }
}
