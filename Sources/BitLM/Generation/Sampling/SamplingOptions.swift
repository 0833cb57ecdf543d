/// How the next token is chosen from a model's logits.
///
/// The defaults are llama.cpp's. The same options and the same ``seed`` choose the same tokens from
/// the same logits on every platform.
///
/// ```swift
/// var options = SamplingOptions()
/// options.temperature = 0.6
/// options.seed = 7
/// ```
public struct SamplingOptions: Sendable, Hashable {
  /// The token with the largest logit, always.
  public static let greedy = SamplingOptions(temperature: 0)

  /// What logits are divided by before they become probabilities: p_i is proportional to
  /// exp(logit_i / temperature). 0 always takes the largest logit (with bias and penalties), and of
  /// equal ones that with the lowest id.
  public var temperature: Double
  /// How many tokens with the largest logits to choose from; 0 for all.
  public var topK: Int
  /// Choose from the fewest of the most likely tokens whose probabilities add up to this (nucleus
  /// sampling: Holtzman et al., 2020, <https://arxiv.org/abs/1904.09751>); 1 for all.
  public var topP: Double
  /// Choose from tokens with p_i >= `minP` * max p (Nguyen et al., 2024,
  /// <https://arxiv.org/abs/2407.01082>); 0 for all.
  public var minP: Double
  /// What the logits of tokens among the last ``penaltyWindow`` are divided by if they are above 0,
  /// and multiplied by if not (Keskar et al., 2019, <https://arxiv.org/abs/1909.05858>); 1 for no
  /// change, below 1 to encourage repetition.
  public var repetitionPenalty: Double
  /// What is subtracted from a token's logit for each time that it occurs among the last
  /// ``penaltyWindow`` (as in OpenAI's interface).
  public var frequencyPenalty: Double
  /// What is subtracted from a token's logit if it occurs among the last ``penaltyWindow`` (as in
  /// OpenAI's interface).
  public var presencePenalty: Double
  /// How many of the last tokens, the prompt's among them, the three penalties look at. llama.cpp
  /// looks at 64, Hugging Face at all of them (`Int.max`).
  public var penaltyWindow: Int
  /// What is added to the logits of tokens, by id, before everything else; `-Float.infinity` for
  /// tokens never to choose.
  public var logitBias: [Int32: Float]
  /// Determines all random choices. Each token takes one 64-bit number of a `SeededGenerator`,
  /// unless ``temperature`` is 0.
  public var seed: UInt64
  /// The order of the restrictions.
  public var order: SamplingOrder

  /// Options for choosing tokens; see the properties.
  public init(
    temperature: Double = 0.8, topK: Int = 40, topP: Double = 0.95, minP: Double = 0.05,
    repetitionPenalty: Double = 1, frequencyPenalty: Double = 0, presencePenalty: Double = 0,
    penaltyWindow: Int = 64, logitBias: [Int32: Float] = [:], seed: UInt64 = 0,
    order: SamplingOrder = .llamaCpp
  ) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.frequencyPenalty = frequencyPenalty
    self.presencePenalty = presencePenalty
    self.penaltyWindow = penaltyWindow
    self.logitBias = logitBias
    self.seed = seed
    self.order = order
  }
}
