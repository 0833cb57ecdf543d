import ArgumentParser
import BitCore

@main
struct BitLinearCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bitlinear",
    abstract: "Train, pack, convert and run 1-bit and 1.58-bit models.",
    discussion: """
      Results go to standard output, progress and errors to standard error. The exit code is 0 \
      for success, 1 for an error in files or data, 64 for wrong usage and 130 after Ctrl-C.
      """,
    version: "\(packageVersion)",
    subcommands: [
      TrainCommand.self, EvalCommand.self, QuantizeCommand.self, ConvertCommand.self,
      InspectCommand.self, GenerateCommand.self, ChatCommand.self, TokenizeCommand.self,
      PerplexityCommand.self, TrainLMCommand.self, FinetuneCommand.self,
      EmbedCommand.self, LogitsCommand.self,
      BenchCommand.self, CPUCommand.self,
    ])
}
