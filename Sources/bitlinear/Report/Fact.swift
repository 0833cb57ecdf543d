/// A named value.
struct Fact: Sendable {
  /// What the value is: "test accuracy".
  var name: String
  /// The value as text: "90.1%".
  var value: String
  /// A few words of explanation, shown under a highlight only.
  var note: String? = nil
  /// Whether the value is a command or a path, to be set in a monospaced font.
  var isCode = false

  /// The command that a run was started with, from the arguments of its process. Arguments that a
  /// shell would take apart are quoted, so that the command can be run again.
  static func command(_ arguments: [String]) -> Fact {
    let program = arguments.first?.split(separator: "/").last.map(String.init) ?? "bitlinear"
    let words = [program] + arguments.dropFirst().map(quoted)
    return Fact(name: "Command", value: words.joined(separator: " "), isCode: true)
  }

  private static func quoted(_ argument: String) -> String {
    let isPlain = argument.allSatisfy { $0.isLetter || $0.isNumber || "-_./,:=+@%".contains($0) }
    return isPlain && !argument.isEmpty
      ? argument : "'" + argument.replacing("'", with: "'\\''") + "'"
  }
}
