import ArgumentParser
import BitCore

/// The option for the number of threads.
struct ThreadFlag: ParsableArguments {
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      "Number of threads, 1 to 1024. (default: BITLINEAR_THREADS, or all of the machine)",
      valueName: "n"))
  var threads: Int?

  func validate() throws {
    try require("--threads", threads.map { [$0] } ?? [], in: 1...1024)
  }

  /// Sets the number of threads, before any are made.
  func apply() { if let threads { Self.apply(threads) } }

  /// Sets the number of threads, before any are made: the pool looks at the variable when it is
  /// first used.
  static func apply(_ threads: Int) {
    setenv("BITLINEAR_THREADS", "\(threads)", 1)
  }
}
