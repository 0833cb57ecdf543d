import BitCore
import BitFiles

/// Standard output, which gets the results of a command.
enum Output {
  /// Writes text.
  ///
  /// - Throws: ``InputError`` if it cannot be written, for instance on a full disk: a command whose
  ///   results are lost must not end with success.
  static func write(_ text: String) throws(InputError) {
    // A reader that stops reading, such as `head`, ends the program quietly, even if the parent
    // process ignores the signal.
    signal(SIGPIPE, SIG_DFL)
    var writer = FileWriter(descriptor: STDOUT_FILENO, source: "standard output")
    try writer.write(text)
    try writer.flush()
  }

  /// Writes a warning to standard error, if that can be written.
  static func warn(_ text: String) { tell("Warning: \(text)\n") }

  /// Writes text to standard error, if that can be written.
  static func tell(_ text: String) {
    var writer = FileWriter(descriptor: STDERR_FILENO, source: "standard error")
    try? writer.write(text)
    try? writer.flush()
  }

  /// Writes a JSON value as one line.
  static func write(_ json: JSONValue) throws(InputError) {
    try write(json.encoded + "\n")
  }
}
