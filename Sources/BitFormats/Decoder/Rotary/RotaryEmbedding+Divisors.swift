import BitCore

extension RotaryEmbedding {
  /// What each frequency is divided by.
  package var divisors: [Float] {
    let plain = RotaryEmbedding(theta: theta, length: length).inverseFrequencies
    return zip(plain, inverseFrequencies).map { Float(Double($0) / Double($1)) }
  }

  /// The scaling in the words of Hugging Face, which has none for divisors: those of Llama 3.1 are
  /// recognized.
  ///
  /// - Parameter source: what an error is about.
  /// - Throws: `InputError` of kind `.unsupported` for other divisors.
  package func huggingFaceScaling(_ source: String) throws(InputError) -> RotaryScaling {
    guard case .divisors(let divisors) = scaling else { return scaling }
    // Only ratios count: with a low limit of 1, the original context is the longest wave that is
    // not divided by the whole factor.
    let factor = divisors.max() ?? 1
    for shift in 4...24 {
      for high in [4, 2, 8, 16, 32] as [Float] {
        let scaling = RotaryScaling.llama3(
          factor: factor, lowFrequency: 1, highFrequency: high, originalContext: 1 << shift)
        let candidate = RotaryEmbedding(theta: theta, length: length, scaling: scaling).divisors
        let isSame = zip(candidate, divisors).allSatisfy { abs($0 - $1) <= 1e-5 * $1 }
        if isSame, candidate.count == divisors.count { return scaling }
      }
    }
    throw InputError(
      .unsupported, source: source,
      found: "divisors of rotary frequencies that are not those of Llama 3.1",
      expected: "a scaling that config.json can describe")
  }
}
