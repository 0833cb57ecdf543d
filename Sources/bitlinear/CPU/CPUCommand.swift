import ArgumentParser
import BitBLAS
import BitCore
import BitFiles

struct CPUCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cpu", abstract: "Show the CPU's features and the kernels chosen for it.",
    discussion: """
      The environment variable BITLINEAR_CPU chooses a set of kernels, BITLINEAR_THREADS the \
      number of threads. All kernels give the same results.
      """)

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func run() throws {
    try CPU.checkEnvironment()
    if json {
      try Output.write(object)
    } else {
      try Output.write(TextTable(header: ["CPU", ""], rows: rows).description)
    }
  }

  private var object: JSONValue {
    let formats = PackedFormat.allCases.map { format in
      let members: JSONObject = [
        "kernel": .string(CPU.kernelName),
        "packed_tokens": CPU.packedTokens(format).map { .integer(Int64($0)) } ?? .null,
      ]
      return (format.rawValue, JSONValue.object(members))
    }
    return [
      "features": .string(CPU.features), "kernel": .string(CPU.kernelName),
      "kernels": .array(CPU.usableKernelNames.map { .string($0) }),
      "formats": .object(JSONObject(formats)), "blas": .string(FloatMatmul.blasName),
      "processors": .integer(Int64(ThreadPool.processors)),
      "threads": .integer(Int64(ThreadPool.shared.threads)),
    ]
  }

  private var rows: [[String]] {
    let formats = PackedFormat.allCases.map { format in
      [
        "\(format.rawValue) without unpacking",
        CPU.packedTokens(format).map { "batches of up to \($0) tokens" } ?? "all batches",
      ]
    }
    return [
      ["features", CPU.features],
      ["kernels that this CPU can run", CPU.usableKernelNames.joined(separator: ", ")],
      ["kernels in use", CPU.kernelName],
      ["float products of training", FloatMatmul.blasName],
    ] + formats + [
      ["processors", "\(ThreadPool.processors)"],
      ["threads in use", "\(ThreadPool.shared.threads)"],
    ]
  }
}
