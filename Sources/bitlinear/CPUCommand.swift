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
          ["processors", "\(ThreadPool.processors)"],
          ["threads in use", "\(ThreadPool.shared.threads)"],
        ]), terminator: "")
  }
}
