import BitCore
import BitFiles

/// The windows of tokens that a language model is trained with.
///
/// Documents are packed: a window may begin and end inside one and hold several. In each epoch the
/// tokens form a ring that is cut at another place, and the windows come in another order. Of an epoch
/// no token is a label twice, and at most ``length`` - 1 tokens are left out.
///
/// Windows are numbered through all epochs, and a window depends on its number, the seed and the
/// tokens alone. So training that continues at a step sees what it would have seen unbroken, and
/// several processes can each take windows of their own.
public struct TokenWindows: Sendable {
  /// The label of a token that is read but not learned, as PyTorch's cross entropy has it.
  public static let ignoredLabel: Int32 = -100

  /// The tokens.
  public let dataset: TokenDataset
  /// The number of tokens of a window.
  public let length: Int
  /// What determines the order and the places of the windows.
  public let seed: UInt64
  /// The number of windows of an epoch.
  public let countPerEpoch: Int

  /// The windows of tokens.
  ///
  /// - Parameters:
  ///   - dataset: the tokens, at least `length + 1`.
  ///   - length: the number of tokens of a window, at least 1.
  ///   - seed: what determines the order and the places of the windows.
  /// - Throws: `InputError` if there are too few tokens for one window.
  public init(_ dataset: TokenDataset, length: Int, seed: UInt64) throws(InputError) {
    try dataset.checkWindow(length)
    self.dataset = dataset
    self.length = length
    self.seed = seed
    countPerEpoch = dataset.count / length
  }

  /// Window `n`, counted from 0 through all epochs: `length` tokens to read, and after each the one
  /// to predict, or ``ignoredLabel``.
  ///
  /// All labels may be ignored, if a prompt is longer than the window.
  public subscript(n: Int) -> (inputs: [Int32], labels: [Int32]) {
    batch(n, of: 1)
  }

  /// The windows `step * size ..< (step + 1) * size`, one after the other: inputs and labels of shape
  /// [`size`, ``length``].
  public func batch(_ step: Int, of size: Int) -> (inputs: [Int32], labels: [Int32]) {
    precondition(step >= 0 && size > 0, "step \(step) of batches of \(size)")
    var (inputs, labels): ([Int32], [Int32]) = ([], [])
    inputs.reserveCapacity(size * length)
    labels.reserveCapacity(size * length)
    var order: (epoch: Int, Epoch)?
    for n in step * size..<(step + 1) * size {
      let epoch = n / countPerEpoch
      if order?.epoch != epoch { order = (epoch, self.epoch(epoch)) }
      guard let order else { continue }
      append(order.1.start(n % countPerEpoch, length), &inputs, &labels)
    }
    return (inputs, labels)
  }

  /// Where the ring is cut in an epoch, and the order of the windows.
  private struct Epoch {
    let offset: Int
    let order: SeededPermutation

    func start(_ index: Int, _ length: Int) -> Int { offset + order[index] * length }
  }

  private func epoch(_ number: Int) -> Epoch {
    var generator = SeededGenerator(seed: seed, stream: TextStreams.epochs &+ UInt64(number))
    let offset = generator.next().multipliedFullWidth(by: UInt64(dataset.count)).high
    return Epoch(
      offset: Int(offset), order: SeededPermutation(countPerEpoch, using: &generator))
  }

  /// Appends the window that begins at a place of the ring.
  private func append(_ start: Int, _ inputs: inout [Int32], _ labels: inout [Int32]) {
    var place = start % dataset.count
    for _ in 0..<length {
      let code = dataset.codes[place]
      inputs.append(code < 0 ? ~code : code)
      place += 1
      if place == dataset.count {
        // The first token follows the last in the ring, but not in any text.
        place = 0
        labels.append(Self.ignoredLabel)
      } else {
        labels.append(dataset.label(place))
      }
    }
  }
}

extension TokenDataset {
  /// The token at a place as a label.
  func label(_ place: Int) -> Int32 {
    codes[place] < 0 ? TokenWindows.ignoredLabel : codes[place]
  }

  /// Checks that there is a window of a length.
  func checkWindow(_ length: Int) throws(InputError) {
    precondition(length > 0, "windows of \(length) tokens")
    guard count > length else {
      throw InputError(
        .mismatch, source: name, found: "\(count) token\(count == 1 ? "" : "s")",
        expected: "at least \(length + 1), for one window of \(length) and the token after it")
    }
  }
}
