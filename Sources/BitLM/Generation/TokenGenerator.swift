import BitCore

/// Generates one text, a step at a time: evaluates a batch of the prompt, or a token and what is
/// guessed to follow it.
package struct TokenGenerator: Sendable {
  /// The tokens that the model has evaluated, the prompt's first. A later prompt can go on from
  /// here.
  package private(set) var cache: TokenCache
  private let prompt: [Int32]
  private let options: GenerationOptions
  private var sampler: Sampler
  private var matcher: StopMatcher
  private var decoder: any TokenTextDecoder
  private var drafter: NGramDrafter
  private var result = GenerationResult()
  private var piece = GeneratedPiece()
  private var isFinished = false
  private var isCancelled = false

  /// A generator that has not evaluated anything yet.
  ///
  /// - Parameters:
  ///   - prompt: The tokens to go on from.
  ///   - cache: Tokens that the model has evaluated; what they have in common with the prompt is
  ///     not evaluated again.
  ///   - options: How to choose tokens, and when to end.
  ///   - decoder: Turns the generated tokens into text.
  ///   - endIDs: The tokens that the model ends its texts with.
  /// - Throws: `InputError` if an option is out of its range, the prompt is empty, has an id that
  ///   the vocabulary lacks or is too long for the context (`.mismatch`, with both numbers).
  package init(
    prompt: [Int32], cache: TokenCache, options: GenerationOptions,
    decoder: any TokenTextDecoder, endIDs: Set<Int32>
  ) throws(InputError) {
    let model = cache.model
    try options.check()
    try Self.check(prompt, for: model)
    var sampling = options.sampling
    if options.ignoresEndOfText {
      for id in endIDs where id < model.vocabularySize { sampling.logitBias[id] = -.infinity }
    }
    sampler = try Sampler(
      sampling, vocabularySize: model.vocabularySize, alternatives: options.logProbabilities)
    matcher = try StopMatcher(
      strings: options.stopStrings,
      ids: options.ignoresEndOfText ? options.stopIDs : options.stopIDs.union(endIDs))
    drafter = NGramDrafter(capacity: model.contextLength)
    self.prompt = prompt
    self.cache = cache
    self.options = options
    self.decoder = decoder
    for id in prompt { sampler.accept(id) }
    if options.draftNGram > 0 { drafter.append(contentsOf: prompt) }
    result.promptTokens = prompt.count
    result.cachedTokens = self.cache.keepPrefix(of: prompt)
  }

  private static func check(_ prompt: [Int32], for model: any TokenModel) throws(InputError) {
    guard !prompt.isEmpty else {
      throw InputError(
        .malformed, source: "prompt", found: "no tokens", expected: "at least one")
    }
    for id in prompt where !(0..<model.vocabularySize ~= Int(id)) {
      throw InputError(
        .mismatch, source: "prompt", found: "the id \(id)",
        expected: "ids from 0 to \(model.vocabularySize - 1), the model's vocabulary")
    }
    guard prompt.count < model.contextLength else {
      throw InputError(
        .mismatch, source: "prompt", found: "\(prompt.count) tokens",
        expected: "fewer than \(model.contextLength), the length of the context")
    }
  }

  /// Ends the text: the next piece is the last.
  package mutating func cancel() { isCancelled = true }

  /// Evaluates what comes next.
  ///
  /// - Returns: What is new, possibly nothing; nil after the piece with the result.
  /// - Throws: `InputError` from the model, or if its logits are not numbers. The generator is of
  ///   no use then.
  package mutating func next() throws(InputError) -> GeneratedPiece? {
    guard !isFinished else { return nil }
    if isCancelled {
      finish(.cancelled)
    } else if cache.ids.count < prompt.count {
      try evaluatePrompt()
    } else if result.tokens.isEmpty || hasNoRoom {
      // Only if no token was asked for.
      finish(.length)
    } else {
      try evaluateGenerated()
    }
    // Here, because the time of the last step belongs to the result.
    if isFinished { piece.result = result }
    guard isFinished || !piece.text.isEmpty else { return GeneratedPiece() }
    defer { piece = GeneratedPiece() }
    return piece
  }

  private mutating func evaluatePrompt() throws(InputError) {
    let start = ContinuousClock.now
    defer { result.promptSeconds += start.duration(to: .now) / .seconds(1) }
    let done = cache.ids.count
    let end = done + min(options.batchSize, prompt.count - done)
    guard end == prompt.count else {
      _ = try cache.evaluate(Array(prompt[done..<end]), LogitRequest(.none))
      return
    }
    guard options.maxTokens != 0 else {
      _ = try cache.evaluate(Array(prompt[done...]), LogitRequest(.none))
      return
    }
    let request = LogitRequest(.last, sampler.request())
    let logits = try cache.evaluate(Array(prompt[done...]), request)
    take(try sampler.sample(logits[0]))
  }

  /// Evaluates the last token, and with it what is guessed to follow.
  private mutating func evaluateGenerated() throws(InputError) {
    let start = ContinuousClock.now
    defer { result.generationSeconds += start.duration(to: .now) / .seconds(1) }
    // No more than may be generated: the last token that is chosen is not evaluated.
    let drafted = drafter.draft(min(options.draftNGram, room - 1))
    let known = cache.ids.count
    let request = LogitRequest(
      drafted.isEmpty ? .last : .all, sampler.request(drafted: drafted))
    let logits = try cache.evaluate([result.tokens[result.tokens.count - 1].id] + drafted, request)
    // Each position is sampled in turn, as if there were no draft: the next one counts if this
    // one's token is the drafted one.
    var chosen: [Int32] = []
    for place in logits.indices {
      let token = try sampler.sample(logits[place])
      chosen.append(token.id)
      result.timedTokens += 1
      take(token)
      if isFinished || place == drafted.count || token.id != drafted[place] { break }
    }
    let accepted = NGramDrafter.acceptedCount(drafted: drafted, chosen: chosen)
    if !drafted.isEmpty { drafter.record(drafted: drafted.count, accepted: accepted) }
    result.drafts = drafter.statistics
    try cache.truncate(to: known + 1 + accepted)
  }

  /// How many tokens may still be generated.
  private var room: Int {
    let generated = result.tokens.count
    let context = cache.model.contextLength - prompt.count - generated
    return min(context, (options.maxTokens ?? .max) - generated)
  }

  private var hasNoRoom: Bool { room <= 0 }

  /// Adds a token to the text.
  private mutating func take(_ token: SampledToken) {
    guard !matcher.isStop(token.id) else {
      finish(.stop)
      return
    }
    result.tokens.append(token)
    piece.tokens.append(token)
    if options.draftNGram > 0 { drafter.append(token.id) }
    let step = matcher.append(decoder.append(token.id).utf8)
    show(step.shown)
    if step.isStopped {
      finish(.stop)
    } else if hasNoRoom {
      finish(.length)
    }
  }

  private mutating func show(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    piece.text += text
    result.text += text
  }

  private mutating func finish(_ reason: GenerationResult.FinishReason) {
    show(matcher.append(decoder.finish().utf8).shown)
    show(matcher.finish())
    result.finishReason = matcher.isStopped ? .stop : reason
    result.stopString = matcher.stopString
    isFinished = true
  }
}
