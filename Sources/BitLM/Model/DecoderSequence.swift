import BitCore

/// A text that a model has evaluated, with the state of each layer. It is used by one caller at a
/// time, hence `@unchecked Sendable`.
package final class DecoderSequence: @unchecked Sendable {
  package let model: LanguageModel
  fileprivate var states: [AttentionState]

  package init(_ model: LanguageModel) {
    self.model = model
    states = model.weights.layers.map { $0.attention.makeState(model.options.cachePrecision) }
  }

  private init(copying other: DecoderSequence) {
    (model, states) = (other.model, other.states)
  }

  /// How many tokens were evaluated and not truncated.
  package var count: Int { states.first?.count ?? 0 }

  /// Bytes of all states in memory.
  package var byteCount: Int { states.reduce(0) { $0 + $1.byteCount } }

  /// Another text that begins with the same tokens, whose memory it shares as long as it can.
  package func copy() -> DecoderSequence { DecoderSequence(copying: self) }

  /// Forgets the tokens after the first `count`.
  ///
  /// - Returns: how many are left.
  @discardableResult
  package func truncate(to count: Int) -> Int {
    for index in states.indices { _ = states[index].truncate(to: count) }
    return count
  }
}

/// Tokens that go on a sequence, and what is wanted of them.
package struct SequenceInput {
  package let sequence: DecoderSequence
  package let tokens: [Int32]
  package let request: LogitRequest

  package init(_ sequence: DecoderSequence, _ tokens: [Int32], _ request: LogitRequest) {
    (self.sequence, self.tokens, self.request) = (sequence, tokens, request)
  }
}

extension LanguageModel {
  /// Evaluates tokens of several texts at once, which is faster than one after the other. The results
  /// do not depend on it.
  ///
  /// - Parameter batch: different sequences of this model, one token or more for each.
  /// - Returns: the logits for each of them.
  /// - Throws: `InputError` of kind `.mismatch` for a text longer than the context, `.malformed` for
  ///   ids outside the vocabulary, `.unsupported` for logits of a model that has none. No sequence
  ///   has changed then.
  package func evaluate(_ batch: [SequenceInput]) throws(InputError) -> [[TokenLogits]] {
    try check(batch)
    let (texts, workspace) = try run(batch)
    return try workspace.withMemory { (workspace) throws(InputError) in
      try zip(batch, texts).map { (input, text) throws(InputError) in
        try logits(input.request, text.rows, workspace)
      }
    }
  }

  /// The normalized last hidden states of some tokens, `[tokens, hidden]`.
  package func hiddenStates(_ input: SequenceInput) throws(InputError) -> Tensor {
    try check([input])
    let (texts, workspace) = try run([input])
    return workspace.withMemory { workspace in
      Tensor.build([texts[0].rows.count, configuration.hiddenSize]) { output in
        weights.norm.normalize(
          workspace.hidden, stride: configuration.hiddenSize, rows: workspace.rows, to: output)
      }
    }
  }

  private func check(_ batch: [SequenceInput]) throws(InputError) {
    for input in batch {
      precondition(input.sequence.model === self, "a sequence of another model")
      precondition(!input.tokens.isEmpty, "no tokens to evaluate")
      let count = input.sequence.count + input.tokens.count
      guard count <= contextLength else {
        throw InputError(
          .mismatch, source: path, found: "a text of \(count) tokens",
          expected: "at most \(contextLength), the context")
      }
      guard weights.output != nil || input.request.positions == .none else {
        throw InputError(
          .unsupported, source: path, found: "a model that embeds texts",
          expected: "one with an output layer, for logits")
      }
    }
  }

  /// Runs a batch through all layers.
  private func run(_ batch: [SequenceInput]) throws(InputError) -> ([BatchText], Workspace) {
    var texts: [BatchText] = []
    var rows = 0
    for input in batch {
      texts.append(BatchText(tokens: input.tokens, rows: rows..<rows + input.tokens.count))
      rows += input.tokens.count
    }
    let workspace = Workspace(configuration, rows: rows, mode: mode)
    let before = batch.map(\.sequence.states)
    // The sequences give their states away meanwhile, because what is shared is copied when written.
    var states = weights.layers.indices.map { layer in before.map { $0[layer] } }
    _ = consume before
    for input in batch { input.sequence.states = [] }
    defer {
      for (index, input) in batch.enumerated() { input.sequence.states = states.map { $0[index] } }
    }
    try workspace.withMemory { (workspace) throws(InputError) in
      try weights.evaluate(texts, states: &states, workspace: workspace)
    }
    return (texts, workspace)
  }

  private func logits(
    _ request: LogitRequest, _ rows: Range<Int>, _ workspace: Workspace
  ) throws(InputError) -> [TokenLogits] {
    let wanted: Range<Int> =
      switch request.positions {
      case .none: rows.upperBound..<rows.upperBound
      case .last: rows.upperBound - 1..<rows.upperBound
      case .all: rows
      }
    guard let output = weights.output, !wanted.isEmpty else { return [] }
    let hidden = configuration.hiddenSize
    weights.norm.normalize(
      workspace.hidden + wanted.lowerBound * hidden, stride: hidden, rows: wanted.count,
      to: workspace.normalized)
    if case .candidates = request.selection {
      return wanted.indices.map { index in
        output.logits(
          workspace.normalized + (index - wanted.lowerBound) * hidden, request.selection)
      }
    }
    let logits = output.logits(workspace.normalized, rows: wanted.count).scalars
    return (0..<wanted.count).map { row in
      .all(
        Array(logits[row * configuration.vocabularySize..<(row + 1) * configuration.vocabularySize])
      )
    }
  }
}
