import BitFiles

/// What the training of a language model measured so far.
public struct DecoderTrainingHistory: Sendable, Equatable {
  /// Means over the steps since the last point.
  public struct Point: Sendable, Equatable {
    /// Steps taken.
    public var step = 0
    /// The training loss, in nats for each token; with a teacher, its part included.
    public var loss = 0.0
    /// The learning rate of the last step.
    public var learningRate = 0.0
    /// The norm of the gradient of the last step, before it was clipped.
    public var gradientNorm = 0.0
    /// The share of codes that the last step changed; 0 in a model without codes.
    public var flips = 0.0
    /// Tokens trained with since the start.
    public var tokens = 0
    /// The time of all steps in seconds, without validations.
    public var seconds = 0.0
  }

  /// A validation.
  public struct Validation: Sendable, Equatable {
    /// Steps taken.
    public var step = 0
    /// The mean loss in nats for each token.
    public var loss = 0.0
    /// The loss in bits for each character of the text.
    public var bitsPerCharacter = 0.0
  }

  /// A text that the model wrote.
  public struct Sample: Sendable, Equatable {
    /// Steps taken.
    public var step = 0
    /// The text, with what it began with.
    public var text = ""

    /// A text.
    public init(step: Int, text: String) { (self.step, self.text) = (step, text) }
  }

  /// The training along the way.
  public var points: [Point] = []
  /// The validations, the first one before training.
  public var validations: [Validation] = []
  /// Texts that the model wrote.
  public var samples: [Sample] = []

  /// An empty history.
  public init() {}

  /// Validations since the best one.
  var validationsSinceBest: Int {
    guard let best = validations.indices.min(by: { validations[$0].loss < validations[$1].loss })
    else { return 0 }
    return validations.count - 1 - best
  }
}

extension DecoderTrainingHistory {
  /// One JSON object for each point and each validation, a line each, in the order of steps.
  public var jsonLines: String {
    let lines =
      points.map { (step: $0.step, kind: 0, object: Point.fields.object($0)) }
      + validations.map { (step: $0.step, kind: 1, object: Validation.fields.object($0)) }
    return lines.sorted { ($0.step, $0.kind) < ($1.step, $1.kind) }
      .map { JSONValue.object($0.object).encoded + "\n" }.joined()
  }

  var json: JSONValue {
    .object([
      "points": .array(points.map { .object(Point.fields.object($0)) }),
      "validations": .array(validations.map { .object(Validation.fields.object($0)) }),
      "samples": .array(
        samples.map { ["step": .integer(Int64($0.step)), "text": .string($0.text)] }),
    ])
  }

  /// Reads what ``json`` wrote; nil if it is something else.
  init?(json: JSONValue) {
    func read<Root>(_ key: String, _ fields: JSONFields<Root>, _ empty: Root) -> [Root]? {
      guard let values = json[key]?.arrayValue else { return nil }
      let read = values.compactMap { value in
        value.objectValue.flatMap { fields.value($0, in: empty) }
      }
      return read.count == values.count ? read : nil
    }
    guard let points = read("points", Point.fields, Point()),
      let validations = read("validations", Validation.fields, Validation()),
      let texts = json["samples"]?.arrayValue
    else { return nil }
    (self.points, self.validations) = (points, validations)
    samples = texts.compactMap { value in
      guard let step = value["step"]?.integerValue, let text = value["text"]?.stringValue else {
        return nil
      }
      return Sample(step: Int(step), text: text)
    }
    guard samples.count == texts.count else { return nil }
  }
}

extension DecoderTrainingHistory.Point {
  fileprivate static var fields: JSONFields<Self> {
    JSONFields(
      counts: [("step", \.step), ("tokens", \.tokens)],
      numbers: [
        ("train_loss", \.loss), ("learning_rate", \.learningRate),
        ("gradient_norm", \.gradientNorm), ("flips", \.flips), ("seconds", \.seconds),
      ])
  }
}

extension DecoderTrainingHistory.Validation {
  fileprivate static var fields: JSONFields<Self> {
    JSONFields(
      counts: [("step", \.step)],
      numbers: [("validation_loss", \.loss), ("bits_per_character", \.bitsPerCharacter)])
  }
}
