import ArgumentParser
import BitLM

struct ChatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat", abstract: "Talk to a language model.",
    discussion: """
      Each line is a message, which the model answers. A line that begins with a slash is a \
      command: /reset begins a new conversation, /system TEXT tells the model something before the \
      conversation, /save FILE and /load FILE write and read the conversation, /exit ends, as the \
      end of the input does.

      Ctrl-C stops an answer; while none is being written, or a second time, it ends the program. \
      If standard input is no terminal, only the answers are printed, and the first error ends \
      the program.
      """)

  @OptionGroup var model: ModelFlags
  @OptionGroup var conversation: ChatFlags
  @OptionGroup var generation: GenerationFlags

  func run() throws {
    try model.prepare()
    let template = try conversation.readTemplate()
    let loaded = try model.load()
    let session = try ChatSession(
      loaded.model, instructions: conversation.system, template: template,
      date: ChatFlags.today, options: generation.options())
    try ChatLoop(session, isInteractive: TextInput.isTerminal).run()
  }
}
