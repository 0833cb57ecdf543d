import ArgumentParser
import BitNN

@main
struct Bitlinear: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bitlinear", abstract: "Train, pack and run 1-bit and 1.58-bit linear layers.")
}
