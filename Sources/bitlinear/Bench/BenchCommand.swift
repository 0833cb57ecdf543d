import ArgumentParser
import BitCore

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure the speed of the kernels against that of the machine.",
    discussion: """
      For every combination of shape, threads, tokens and format it prints the time to quantize \
      float activations and multiply them with packed weights, the bytes of weights and the \
      operations per second, and these as a share of what plain reading and the CPU's byte \
      products reach on as many threads in the same run. The share of the roofline is the time that \
      the machine needs at least, for reading or for the operations, divided by the time taken: the \
      larger of these two shares. The mode stream takes another copy of the \
      weights for each call, so that they come from memory as in text generation; the mode hot \
      takes the same weights again and again, from the caches.

      With --model it measures a language model instead: the tokens a second of a prompt, and of \
      generating after a text of some length. Beside these stand the share of the memory limit \
      (the bytes that a token reads, beside plain reading of as many in the same run) and the share \
      of the peak of byte products that the products with ternary and sign weights reach.
      """)

  @Option(
    help: ArgumentHelp(
      "Sizes of layers as OUTxIN, 1 to 1048576 each and 2^30 weights at most. "
        + "(default: 2560x2560,6912x2560,2560x6912)",
      valueName: "OxI,..."))
  var shapes: CommaSeparated<BenchShape>?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Batch sizes in tokens, that is rows of activations, 1 to 65536. (default: 1,128)",
      valueName: "n,..."))
  var tokens: CommaSeparated<Int>?

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      "Numbers of threads, 1 to 1024. (default: 1, and all of the machine)", valueName: "n,..."))
  var threads: CommaSeparated<Int>?

  @Option(
    help: ArgumentHelp(
      "Formats of packed weights: \(BenchFormat.choices) for a scale per block of weights. "
        + "(default: ternary2,ternary1.6,sign1,ternary2-b128,sign1-b128)",
      valueName: "name,..."))
  var formats: CommaSeparated<BenchFormat>?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Bits of quantized activations, 2 to 16. (default: 8)", valueName: "n"))
  var bits: Int?

  @Option(help: "Whether weights come from memory or from the caches. (default: stream)")
  var mode: BenchMode?

  @OptionGroup var modelFlags: ModelBenchFlags

  @Flag(
    help: """
      Measure what surrounds the products instead, for the first shape: quantizing a token, \
      packing float weights, waking the threads.
      """)
  var overheads = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "End with exit code 1 if a product is under this share of the roofline, 1 to 100 percent.",
      valueName: "percent"))
  var check: Int?

  @Flag(help: "Print one JSON object per line instead of a table.")
  var json = false

  @Flag(help: "Print comma-separated values instead of a table.")
  var csv = false

  func validate() throws {
    for (option, isEmpty) in [
      ("--shapes", shapes?.values.isEmpty == true), ("--tokens", tokens?.values.isEmpty == true),
      ("--threads", threads?.values.isEmpty == true),
      ("--formats", formats?.values.isEmpty == true),
    ] where isEmpty {
      throw ValidationError("The list of '\(option)' is empty.")
    }
    try require("--tokens", tokens?.values ?? [], in: 1...65_536)
    try require("--threads", threads?.values ?? [], in: 1...1024)
    try require("--bits", bits.map { [$0] } ?? [], in: 2...16)
    try require("--check", check.map { [$0] } ?? [], in: 1...100)
    guard !(json && csv) else {
      throw ValidationError("Please provide '--json' or '--csv', not both.")
    }
    guard !(overheads && csv) else {
      throw ValidationError("'--overheads' prints a table or '--json', not '--csv'.")
    }
    for (option, isGiven) in [
      ("--overheads", overheads), ("--csv", csv), ("--check", check != nil),
      ("--shapes", shapes != nil), ("--tokens", tokens != nil), ("--formats", formats != nil),
      ("--bits", bits != nil), ("--mode", mode != nil),
    ] where isGiven && modelFlags.model != nil {
      throw ValidationError("'\(option)' is for kernels, not for '--model'.")
    }
    guard !(overheads && check != nil) else {
      throw ValidationError("'--check' is for products, which '--overheads' does not measure.")
    }
  }

  // What is not given is nil, so that '--model' can refuse what is.
  private var chosenShapes: CommaSeparated<BenchShape> {
    shapes ?? "2560x2560,6912x2560,2560x6912"
  }
  private var chosenTokens: CommaSeparated<Int> { tokens ?? "1,128" }
  private var chosenFormats: CommaSeparated<BenchFormat> {
    formats ?? "ternary2,ternary1.6,sign1,ternary2-b128,sign1-b128"
  }
  private var chosenBits: Int { bits ?? 8 }
  private var chosenMode: BenchMode { mode ?? .stream }

  func run() throws {
    try CPU.checkEnvironment()
    if modelFlags.model != nil, let most = threads?.values.max() { ThreadFlag.apply(most) }
    let all = ThreadPool.shared.threads
    let threads = threads?.values ?? (all > 1 ? [1, all] : [1])
    if let path = modelFlags.model {
      return try ModelBench(path, modelFlags).run(threads: threads, json: json)
    }
    if overheads { return try measureOverheads(threads) }
    if csv { try Output.write(BenchResult.csvHeader + "\n") }
    var results: [BenchResult] = []
    let bench = Bench(mode: chosenMode, bits: chosenBits)
    for format in chosenFormats.values {
      for shape in chosenShapes.values {
        let layers = bench.layers(format, shape)
        for threads in threads {
          for tokens in chosenTokens.values {
            let result = bench.measure(layers, tokens: tokens, threads: threads)
            results.append(result)
            if json {
              try Output.write(result.json)
            } else if csv {
              try Output.write(result.cells.joined(separator: ",") + "\n")
            }
          }
        }
      }
    }
    if !json, !csv {
      try Output.write(
        """
        Kernels: \(CPU.kernelName), \(CPU.features)
        Weights: \(chosenMode.source), activations: \(chosenBits) bits
        \(TextTable(header: BenchResult.header, rows: results.map(\.row)))
        """)
    }
    if let check, let slow = SlowProducts(results, under: check) { throw slow }
  }

  private func measureOverheads(_ threads: [Int]) throws(InputError) {
    let results = Overheads(
      shape: chosenShapes.values[0], formats: chosenFormats.values, threads: threads,
      bits: chosenBits
    )
    .measure()
    if json {
      for result in results { try Output.write(.object(result.json)) }
    } else {
      try Output.write(
        TextTable(header: Overheads.Result.header, rows: results.map(\.row)).description)
    }
  }
}
