import BitCore
import BitFiles
import BitTraining

/// One measured product beside the limits of the machine.
struct BenchResult {
  let format: BenchFormat
  let shape: BenchShape
  let tokens: Int
  let threads: Int
  let bits: Int
  let mode: BenchMode
  let timing: Timing
  let weightBytes: Int
  let limitGBps: Double
  let limitGOPs: Double

  /// Bytes of weights and their scales per second, in 10^9.
  private var gbps: Double { Double(weightBytes) / timing.median * 1e-3 }

  /// Operations on bytes per second, in 10^9; a multiplication and an addition count as two.
  /// Activations of more than 8 bits have two bytes.
  private var gops: Double {
    let bytes = Double(tokens) * (bits > 8 ? 2 : 1)
    return 2 * Double(shape.rows) * Double(shape.columns) * bytes / timing.median * 1e-3
  }

  private var shareOfLimit: Double { gbps / limitGBps }
  private var shareOfPeak: Double { gops / limitGOPs }

  /// The share of the roofline: the time that the machine needs at least, to read the weights and
  /// scales or for the operations, whichever takes longer, divided by the time taken.
  var roofline: Double { max(shareOfLimit, shareOfPeak) }

  static let header = [
    "Format", "Out x in", "Tokens", "Threads", "us", "Fastest to slowest", "GB/s", "Of limit",
    "GOP/s", "Of peak", "Roofline",
  ]

  /// The cells of a table for people.
  var row: [String] {
    [
      format.description, shape.description, "\(tokens)", "\(threads)",
      NumberText.fixed(timing.median, decimals: 1),
      NumberText.fixed(timing.fastest, decimals: 1) + " to "
        + NumberText.fixed(timing.slowest, decimals: 1),
      NumberText.fixed(gbps, decimals: 1), NumberText.percent(shareOfLimit, decimals: 0),
      NumberText.fixed(gops, decimals: 0), NumberText.percent(shareOfPeak, decimals: 0),
      NumberText.percent(roofline, decimals: 0),
    ]
  }

  private var members: JSONObject {
    [
      "format": .string(format.description), "out": .integer(Int64(shape.rows)),
      "in": .integer(Int64(shape.columns)), "tokens": .integer(Int64(tokens)),
      "threads": .integer(Int64(threads)), "bits": .integer(Int64(bits)),
      "mode": .string(mode.rawValue),
      "kernel": .string(CPU.kernelName), "microseconds": .number(timing.median),
      "fastest_microseconds": .number(timing.fastest),
      "slowest_microseconds": .number(timing.slowest), "gbps": .number(gbps),
      "gops": .number(gops), "limit_gbps": .number(limitGBps), "limit_gops": .number(limitGOPs),
      "roofline": .number(roofline),
    ]
  }

  /// One JSON object.
  var json: JSONValue { .object(members) }

  /// The values of ``json`` as the cells of a comma-separated line.
  var cells: [String] { members.map { $0.value.stringValue ?? $0.value.encoded } }

  /// The names of ``cells``.
  static let csvHeader = [
    "format", "out", "in", "tokens", "threads", "bits", "mode", "kernel", "microseconds",
    "fastest_microseconds", "slowest_microseconds", "gbps", "gops", "limit_gbps", "limit_gops",
    "roofline",
  ].joined(separator: ",")
}
