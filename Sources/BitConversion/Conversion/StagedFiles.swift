import BitCore
import BitFiles

/// Small files that are written under temporary names and get their own all at the end, in order.
final class StagedFiles {
  private final class Staged {
    var file: PendingFile

    init(_ file: consuming PendingFile) { self.file = file }
  }

  private var files: [Staged] = []

  /// Writes the bytes of a file that `body` gives.
  func add(
    _ path: String, _ body: (inout FileWriter) throws(InputError) -> Void
  ) throws(InputError) {
    let staged = Staged(try PendingFile(path))
    try body(&staged.file.writer)
    files.append(staged)
  }

  /// Writes a file of text.
  func add(_ path: String, _ text: String) throws(InputError) {
    try add(path) { (writer) throws(InputError) in try writer.write(text) }
  }

  /// Gives the files their names.
  func commit() throws(InputError) {
    for staged in files { try staged.file.commit() }
    files = []
  }
}
