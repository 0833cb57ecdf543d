import BitCore
import BitFiles
import BitTraining

/// The measured speed of a language model beside the limits of the machine.
struct ModelBenchResult {
  /// What was measured, by the names that llama-bench prints.
  enum Kind: String {
    case prompt = "pp"
    case generation = "tg"
  }

  let kind: Kind
  let tokens: Int
  /// How many tokens were there before.
  let depth: Int
  let threads: Int
  /// The time for all tokens.
  let seconds: Double
  let limit: MemoryLimit
  /// Ternary and sign weights that a token is multiplied with.
  let codes: Int
  /// Bytes of an activation in these products; nil for floats.
  let operandBytes: Int?
  /// Operations on bytes that the machine does in a second, in 10^9.
  let peakGOPs: Double

  private var tokensPerSecond: Double { Double(tokens) / seconds }

  /// The share of the memory limit. A prompt reads the weights once for many tokens.
  private var shareOfMemory: Double? {
    kind == .generation ? tokensPerSecond / limit.tokensPerSecond : nil
  }

  /// The share of the peak of byte products; nil if the model has none.
  private var shareOfPeak: Double? {
    guard let operandBytes, codes > 0 else { return nil }
    return 2 * Double(codes) * Double(operandBytes) * tokensPerSecond * 1e-9 / peakGOPs
  }

  private var name: String {
    "\(kind.rawValue)\(tokens)" + (depth > 0 ? " after \(depth)" : "")
  }

  static let header = [
    "Test", "Threads", "Tokens/s", "Bytes a token", "GB/s of the machine", "Of memory limit",
    "Of product peak",
  ]

  /// The cells of a table for people.
  var row: [String] {
    func percent(_ share: Double?) -> String {
      share.map { NumberText.percent($0, decimals: 0) } ?? "-"
    }
    return [
      name, "\(threads)", NumberText.fixed(tokensPerSecond, decimals: 2),
      kind == .generation ? NumberText.grouped(limit.bytesPerToken) : "-",
      NumberText.fixed(limit.gbps, decimals: 1), percent(shareOfMemory), percent(shareOfPeak),
    ]
  }

  /// One JSON object.
  var json: JSONValue {
    [
      "test": .string(kind.rawValue), "tokens": .integer(Int64(tokens)),
      "depth": .integer(Int64(depth)), "threads": .integer(Int64(threads)),
      "kernel": .string(CPU.kernelName), "seconds": .number(seconds),
      "tokens_per_second": .number(tokensPerSecond),
      "bytes_per_token": .integer(Int64(limit.bytesPerToken)), "limit_gbps": .number(limit.gbps),
      "limit_gops": .number(peakGOPs),
      "share_of_memory_limit": shareOfMemory.map { .number($0) } ?? .null,
      "share_of_product_peak": shareOfPeak.map { .number($0) } ?? .null,
    ]
  }
}
