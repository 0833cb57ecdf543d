import BitCore
import BitFiles
import ArgumentParser
import BitNN

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure the kernels beside the limits of the machine.",
    discussion: """
      For each shape, number of tokens, number of threads and format: the time of quantizing the \
      activations and multiplying them with packed weights, the weights read and the operations \
      done a second, and what plain reading and the CPU's byte products reach in the same run with \
      the same threads. \
      "stream" goes round so many layers that each call reads its weights from memory, as when a \
      language model generates; "hot" uses one layer again and again.
      """)

  @Option(help: ArgumentHelp("Layers as OUTxIN.", valueName: "OxI,..."))
  var shapes = "2560x2560,6912x2560,2560x6912"

  @Option(help: ArgumentHelp("Rows of activations.", valueName: "n,..."))
  var tokens = "1,128"

  @Option(help: ArgumentHelp("Numbers of threads; by default one, and all.", valueName: "n,..."))
  var threads: String?

  @Option(
    help: ArgumentHelp(
      "\(BenchFormat.choices) for a scale for each so many weights.", valueName: "name,..."))
  var formats = "ternary2,ternary1.6,sign1,ternary2-b128,sign1-b128"

  @Option(help: "Whether weights come from memory or from the caches.")
  var mode: BenchMode = .stream

  @Flag(
    help: """
      Measure, for the first shape, what surrounds products instead: quantizing a token, packing \
      float weights, an empty call of the threads.
      """)
  var overheads = false

  @Flag(help: "Print one JSON object a line.")
  var json = false

  @Flag(help: "Print comma-separated values with a header.")
  var csv = false

  /// More than the caches of any CPU that the kernels meet.
  private static let streamBytes = 256 << 20

  func run() throws {
    try CPU.checkEnvironment()
    guard !(json && csv) else {
      throw InputError(
        .mismatch, source: "--json", found: "--csv as well", expected: "one of the two")
    }
    let plan = try plan()
    guard !overheads else { return try measureOverheads(plan) }
    if csv { print(BenchResult.csvHeader) }
    var rows: [[String]] = []
    let limits = MachinePeak(bytes: Self.streamBytes)
    for threads in plan.threads {
      let pool = ThreadPool(threads: threads)
      let peakRounds = 1 << 16
      let peakOperations = Double(limits.multiply(rounds: peakRounds, pool: pool))
      for format in plan.formats {
        for shape in plan.shapes {
          let layers = Layers(
            format: format, shape: shape, bytes: mode == .stream ? Self.streamBytes : 0)
          let readBytes = mode == .stream ? Self.streamBytes : layers.weightBytes
          for tokens in plan.tokens {
            let timings = Timing.inTurn([
              layers.product(tokens: tokens, pool: pool),
              { limits.read(readBytes, pool: pool) },
              { _ = limits.multiply(rounds: peakRounds, pool: pool) },
            ])
            let result = BenchResult(
              format: format, shape: shape, tokens: tokens, threads: pool.threads, mode: mode,
              timing: timings[0], weightBytes: layers.weightBytes,
              limitGBps: Double(readBytes) / timings[1].median * 1e-3,
              limitGOPs: peakOperations / timings[2].median * 1e-3)
            if json {
              print(result.json.encoded)
            } else if csv {
              print(result.cells.joined(separator: ","))
            } else {
              rows.append(result.row)
            }
          }
        }
      }
    }
    if !json, !csv {
      print("Kernels: \(CPU.kernelName), \(CPU.features)")
      print(TextTable(header: BenchResult.header, rows: rows), terminator: "")
    }
  }

  private func measureOverheads(_ plan: Plan) throws(InputError) {
    guard !csv else {
      throw InputError(
        .mismatch, source: "--overheads", found: "--csv as well", expected: "--json or text")
    }
    let results = Overheads(shape: plan.shapes[0], formats: plan.formats, threads: plan.threads)
      .measure()
    if json {
      for result in results { print(JSONValue.object(result.json).encoded) }
    } else {
      print(TextTable(header: Overheads.Result.header, rows: results.map(\.row)), terminator: "")
    }
  }

  private struct Plan {
    let shapes: [BenchShape]
    let tokens: [Int]
    let threads: [Int]
    let formats: [BenchFormat]
  }

  private func plan() throws(InputError) -> Plan {
    func count(_ range: ClosedRange<Int>) -> (String) -> Int? {
      { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }
    let all = ThreadPool.shared.threads
    return Plan(
      shapes: try OptionList.values("--shapes", shapes, "layers as 2560x6912", BenchShape.init),
      tokens: try OptionList.values("--tokens", tokens, "numbers in 1...65536", count(1...65_536)),
      threads: try OptionList.values(
        "--threads", threads ?? (all > 1 ? "1,\(all)" : "1"), "numbers in 1...1024",
        count(1...1024)),
      formats: try OptionList.values(
        "--formats", formats, BenchFormat.choices, BenchFormat.init))
  }
}

extension BenchMode: ExpressibleByArgument {}

/// Copies of one layer, enough to fill the memory that a mode asks for.
private struct Layers {
  private let copies: [CodeMatrix]
  /// The bytes of one layer's codes and scales.
  let weightBytes: Int

  init(format: BenchFormat, shape: BenchShape, bytes: Int) {
    let first = format.matrix(shape)
    weightBytes = first.byteCount
    copies = [first] + (0..<bytes / weightBytes).map { _ in first.copy() }
  }

  /// One product of float activations, with the next of the copies at each call.
  func product(tokens: Int, pool: ThreadPool) -> () -> Void {
    var generator = SeededGenerator(seed: 1)
    let x = generator.normal([tokens, copies[0].columns])
    let quantizer = ActivationQuantizer()
    var next = 0
    return {
      let quantized = quantizer.quantize(x, kernels: .active, pool: pool)
      _ = copies[next].matmul(quantized, bias: nil, kernels: .active, pool: pool)
      next = next + 1 == copies.count ? 0 : next + 1
    }
  }
}
