import BitCore

extension SamplingOptions {
  /// Checks that each option is in its range.
  ///
  /// - Throws: `InputError` of kind `.malformed` that names the option.
  public func check() throws(InputError) {
    func require(
      _ holds: Bool, _ option: String, _ found: Any, _ expected: String
    ) throws(InputError) {
      if !holds {
        throw InputError(.malformed, source: option, found: "\(found)", expected: expected)
      }
    }
    try require(
      temperature >= 0 && temperature.isFinite, "temperature", temperature, "0 or more")
    // Smaller ones divide logits to infinities.
    try require(
      temperature == 0 || temperature >= 1e-6, "temperature", temperature, "0, or at least 1e-6")
    try require(topK >= 0, "top-k", topK, "0 (all tokens) or more")
    try require(topP > 0 && topP <= 1, "top-p", topP, "above 0, at most 1 (all tokens)")
    try require(minP >= 0 && minP <= 1, "min-p", minP, "between 0 (all tokens) and 1")
    // Its logarithm is taken.
    try require(minP == 0 || minP.isNormal, "min-p", minP, "0, or a normal number")
    // Beyond these bounds, penalties could lift or sink a logit to an infinity.
    try require(
      repetitionPenalty >= 1e-3 && repetitionPenalty <= 1e3, "repetition penalty",
      repetitionPenalty, "between 0.001 and 1000 (1 for none)")
    try require(
      abs(frequencyPenalty) <= 1e6, "frequency penalty", frequencyPenalty,
      "between -1e6 and 1e6 (0 for none)")
    try require(
      abs(presencePenalty) <= 1e6, "presence penalty", presencePenalty,
      "between -1e6 and 1e6 (0 for none)")
    try require(
      penaltyWindow >= 0, "penalty window", penaltyWindow, "0 (no penalties) or more tokens")
    for (id, bias) in logitBias.sorted(by: { $0.key < $1.key }) {
      try require(id >= 0, "logit bias", "id \(id)", "ids of 0 and above")
      try require(
        bias < .infinity, "logit bias", "\(bias) for id \(id)",
        "a number, or -infinity for a token never to choose")
    }
  }
}

extension SamplingOptions {
  /// Whether the choice depends on the tokens before it.
  var hasPenalties: Bool {
    penaltyWindow > 0
      && (repetitionPenalty != 1 || frequencyPenalty != 0 || presencePenalty != 0)
  }

  /// Whether a penalty can make a logit smaller.
  var hasLoweringPenalties: Bool {
    penaltyWindow > 0
      && (repetitionPenalty > 1 || frequencyPenalty > 0 || presencePenalty > 0)
  }

  /// How many of the largest logits contain every token that can be chosen while bias and penalties
  /// change no logit; nil if all logits are needed.
  ///
  /// With temperature 0 that is one. With top-k it is k, in llama.cpp's order: in Hugging Face's,
  /// any number of tokens can be as likely as the k-th. ``Sampler/request(drafted:)`` says what is
  /// needed with bias and penalties.
  package var candidatesNeeded: Int? {
    if temperature == 0 { return 1 }
    return order == .llamaCpp && topK > 0 ? topK : nil
  }
}
