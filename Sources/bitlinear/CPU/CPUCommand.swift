import BitCore
import BitFiles
import ArgumentParser
import BitNN

struct CPUCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cpu", abstract: "Show the CPU's features and the kernels chosen for it.",
    discussion: "BITLINEAR_CPU forces a set of kernels, BITLINEAR_THREADS the number of threads.")

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try CPU.checkEnvironment()
    if json {
      let object: JSONValue = [
        "features": .string(CPU.features), "kernel": .string(CPU.kernelName),
        "kernels": .array(CPU.usableKernelNames.map { .string($0) }),
        "formats": .object(
          JSONObject(
            PackedFormat.allCases.map {
              let members: JSONObject = [
                "kernel": .string(CPU.kernelName),
                "packed_tokens": CPU.packedTokens($0).map { .integer(Int64($0)) } ?? .null,
              ]
              return ($0.rawValue, .object(members))
            })),
        "processors": .integer(Int64(ThreadPool.processors)),
        "threads": .integer(Int64(ThreadPool.shared.threads)),
      ]
      print(object.encoded)
      return
    }
    print(
      TextTable(
        header: ["CPU", ""],
        rows: [
          ["features", CPU.features],
          ["kernels that it can run", CPU.usableKernelNames.joined(separator: ", ")],
          ["kernels in use", CPU.kernelName],
        ]
          + PackedFormat.allCases.map {
            [
              "kernels for \($0.rawValue)",
              "\(CPU.kernelName), from packed codes "
                + (CPU.packedTokens($0).map { "up to \($0) tokens" } ?? "for any tokens"),
            ]
          } + [
            ["processors", "\(ThreadPool.processors)"],
            ["threads in use", "\(ThreadPool.shared.threads)"],
          ]), terminator: "")
  }
}
