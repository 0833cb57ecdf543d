import BitCore
import BitFormats
import BitNN

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How much memory training a language model takes, about.
public struct DecoderMemory: Sendable {
  /// The weights, their gradients and what the optimizer remembers of them.
  public let weightBytes: Int
  /// What is kept of each token until the gradients are computed, and logits.
  public let activationBytes: Int

  /// All of it.
  public var bytes: Int { weightBytes + activationBytes }

  /// An estimate.
  ///
  /// - Parameters:
  ///   - configuration: the model.
  ///   - options: how it is trained.
  ///   - length: the length of windows.
  ///   - recomputesActivations: whether only the inputs of layers are kept.
  ///   - teacher: another model that is run beside it.
  public init(
    _ configuration: DecoderConfiguration, options: DecoderTrainingOptions, length: Int,
    recomputesActivations: Bool, teacher: DecoderConfiguration? = nil
  ) {
    // Weights, two moments, and a gradient for each branch of the sum of gradients and the next one.
    let branches = Int.bitWidth - options.accumulation.leadingZeroBitCount
    let copies = 3 + branches + (options.accumulation > 1 ? 1 : 0)
    let (parameters, others) = (
      Double(configuration.parameterCount), Double(teacher?.parameterCount ?? 0)
    )
    weightBytes = Self.count(4 * (parameters * Double(copies) + others))
    let (hidden, inner) = (configuration.hiddenSize, configuration.intermediateSize)
    // The tensors between the operations of a layer that its reverse rules read.
    let layer = 14 * hidden + 6 * inner
    let kept =
      recomputesActivations
      ? configuration.layerCount * hidden + layer : configuration.layerCount * layer
    let tokens = Double(options.batchSize) * Double(length)
    let logits = min(tokens * Double(configuration.vocabularySize), Double(1 << 24))
    // The inputs and labels of all batches of a step are there at once.
    let texts = 2 * tokens * Double(options.accumulation)
    activationBytes = Self.count(4 * (tokens * Double(kept) + logits + texts))
  }

  /// A number of bytes, at most a half of the largest number: sums of two must not overflow.
  private static func count(_ bytes: Double) -> Int {
    bytes < Double(Int.max / 2) ? Int(bytes) : Int.max / 2
  }

  /// Refuses a training that needs more memory than the machine has.
  ///
  /// - Throws: `InputError` of kind `.unsupported` that says how much it would be.
  public func check(source: String) throws(InputError) {
    let available = Self.machineBytes
    guard available == 0 || bytes <= available else {
      throw InputError(
        .unsupported, source: source,
        found: "a training that takes about \(Self.text(bytes)): \(Self.text(weightBytes)) for "
          + "weights, gradients and moments, \(Self.text(activationBytes)) for a batch",
        expected: "at most the \(Self.text(available)) of this machine; a smaller model or batch, "
          + "or activations that are recomputed, need less")
    }
  }

  /// The memory of this machine; 0 if that is not known.
  private static var machineBytes: Int {
    let physical = sysconf(CInt(_SC_PHYS_PAGES)) * sysconf(CInt(_SC_PAGESIZE))
    return max(0, physical)
  }

  private static func text(_ bytes: Int) -> String {
    NumberText.fixed(Double(bytes) / 1e9, decimals: 1) + " GB"
  }
}
