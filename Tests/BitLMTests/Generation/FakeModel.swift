import BitCore
import Synchronization

@testable import BitLM

/// A model whose logits are a hash of the last few tokens of a sequence.
final class FakeModel: TokenModel {
  let vocabularySize: Int
  let contextLength: Int
  /// How many tokens the logits depend on: with one or two, texts repeat themselves soon.
  let memory: Int
  /// The places to which sequences can be truncated: multiples of this.
  let step: Int
  /// The number of tokens before which evaluating fails.
  let failure: Int?
  /// How many tokens each evaluation had, in order.
  let evaluations = Mutex<[Int]>([])
  /// Logits that are given for a sequence of so many tokens, instead of hashes.
  let fixed: [Int: [Float]]

  init(
    vocabularySize: Int = 64, contextLength: Int = 400, memory: Int = 3, step: Int = 1,
    failure: Int? = nil, fixed: [Int: [Float]] = [:]
  ) {
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.memory = memory
    self.step = step
    self.failure = failure
    self.fixed = fixed
  }

  func makeSequence() -> any TokenSequence { FakeSequence(self) }

  func logits(after tokens: [Int32]) -> [Float] {
    if let logits = fixed[tokens.count] { return logits }
    var hash: UInt64 = 17
    for id in tokens.suffix(memory) { hash = (hash ^ UInt64(id)) &* 0x9e37_79b9_7f4a_7c15 }
    var generator = SeededGenerator(seed: hash)
    return (0..<vocabularySize).map { _ in Float(generator.next() % 64) / 8 }
  }
}

final class FakeSequence: TokenSequence {
  private let model: FakeModel
  private let tokens = Mutex<[Int32]>([])

  init(_ model: FakeModel) { self.model = model }

  var count: Int { tokens.withLock(\.count) }

  func evaluate(_ new: [Int32], _ request: LogitRequest) throws(InputError) -> [TokenLogits] {
    model.evaluations.withLock { $0.append(new.count) }
    var all = tokens.withLock { $0 }
    var given: [TokenLogits] = []
    for (place, id) in new.enumerated() {
      if all.count == model.failure {
        tokens.withLock { [all] in $0 = all }
        throw InputError(.inputOutput, source: "fake", found: "a fault", expected: "none")
      }
      all.append(id)
      let isWanted =
        switch request.positions {
        case .none: false
        case .last: place == new.count - 1
        case .all: true
        }
      if isWanted {
        given.append(SamplerTests.candidates(model.logits(after: all), request.selection))
      }
    }
    tokens.withLock { [all] in $0 = all }
    return given
  }

  func truncate(to count: Int) -> Int {
    tokens.withLock {
      guard count < $0.count else { return $0.count }
      $0 = Array($0.prefix(count / model.step * model.step))
      return $0.count
    }
  }
}

/// Tokens that are bytes, but for ids from 128, which are the two bytes of "é" each on its own.
struct FakeDecoder: TokenTextDecoder {
  private var held: [UInt8] = []

  static func bytes(_ id: Int32) -> UInt8 {
    // Mostly letters, so that stop strings occur.
    switch id {
    case 60: 0xc3
    case 61: 0xa9
    default: UInt8(ascii: "a") + UInt8(id % 26)
    }
  }

  mutating func append(_ id: Int32) -> String {
    let byte = Self.bytes(id)
    if byte == 0xc3 {
      defer { held = [byte] }
      return finish()
    }
    held.append(byte)
    return finish()
  }

  mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }
}
