import BitCore
import ArgumentParser
import BitNN

@main
struct BitLinearCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bitlinear",
    abstract: "Train, pack and run 1-bit and 1.58-bit linear layers.",
    discussion: """
      Results go to standard output, progress to standard error. The exit code is 0 for success, \
      1 for bad input, 64 for wrong usage and 130 after Ctrl-C.
      """,
    version: "\(packageVersion)",
    subcommands: [
      TrainCommand.self, EvalCommand.self, InspectCommand.self, CPUCommand.self,
      BenchCommand.self, ConvertCommand.self, QuantizeCommand.self,
    ])
}
