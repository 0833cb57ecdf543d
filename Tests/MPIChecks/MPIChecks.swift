import BitCore
import BitNN
import BitTraining

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What scripts/test-mpi runs in 1, 2 and 4 processes: `MPIChecks NAME`.
///
/// A check that succeeds writes its result to standard output, in the first process only; the
/// script compares the results of different numbers of processes.
@main
struct MPIChecks {
  static func main() {
    do { try run() } catch { ProcessGroup.alone.end(with: error) }
  }

  private static func run() throws {
    guard CommandLine.arguments.count == 2, let check = checks[CommandLine.arguments[1]] else {
      throw InputError(
        .malformed, source: "MPIChecks", found: "\(CommandLine.arguments.dropFirst())",
        expected: "one of \(checks.keys.sorted().joined(separator: ", "))")
    }
    try ProcessGroup.run { group in
      let result = try check(group)
      try group.requireEqual(result, "the result")
      if group.isFirst { print(result) }
    }
  }

  private typealias Check = @Sendable (ProcessGroup) throws -> String

  private static let checks: [String: Check] = [
    "sums": { try PartSums.check($0) },
    "training": { try TinyTraining.check($0) },
    "columns": { try Columns.check($0) },
    "messages": { group in
      var tensor = Tensor(repeating: Float(group.rank), shape: [3, 5])
      try group.broadcast(&tensor)
      // More than is exchanged at once.
      var large = [Tensor(repeating: Float(group.rank + 1), shape: [1_200_000])]
      try group.sum(&large)
      let sum = Float(group.count * (group.count + 1) / 2)
      return try [
        "\(large == [Tensor(repeating: sum, shape: [1_200_000])])",
        "\(group.broadcast("text of \(group.rank)"))", "\(tensor == .zeros([3, 5]))",
        "\(group.gather("\(group.rank)") == (0..<group.count).map(\.description))",
        "\(group.agree(false)) \(group.agree(group.rank == group.count - 1))",
      ].joined(separator: ", ")
    },
    "threads": { group in
      let threads = try group.gather("\(ThreadPool.shared.limit)")
      return threads.joined(separator: " ")
    },
    "count": { group in "\(group.count)" },
    // From here on the last process fails, and the others wait for it.
    "throw": {
      try failing($0) { throw InputError(.missing, source: "a", found: "b", expected: "c") }
    },
    "trap": { try failing($0) { fatalError("a trap") } },
    "kill": { try failing($0) { kill(getpid(), SIGKILL) } },
    "exit": { try failing($0) { exit(0) } },
    "differ": { group in
      try group.requireEqual("\(group.rank)", "the number of a process")
      return ""
    },
  ]

  private static func failing(_ group: ProcessGroup, _ body: () throws -> Void) throws -> String {
    try group.barrier()
    if group.rank == group.count - 1 { try body() }
    try group.barrier()
    return "no failure"
  }
}
