import BitCore
import BitFormats
import Foundation
import Testing

/// An output folder with files of an earlier run, which a failing command must leave alone.
struct EarlierRun {
  let folder: TemporaryFolder
  let path: String
  private let before: [String: [UInt8]]

  /// A folder of made-up files.
  init(in folder: TemporaryFolder) throws {
    try folder.make("run")
    for name in ["checkpoint", "model", "packed"] {
      try folder.write("run/\(name).safetensors", "the \(name) of an earlier run")
    }
    try folder.write("run/report.html", "an earlier report")
    try self.init(existingIn: folder)
  }

  /// The folder `run` as it is.
  init(existingIn folder: TemporaryFolder) throws {
    self.folder = folder
    path = folder.path("run")
    before = try folder.contents("run")
  }

  /// Expects that no file was changed, added or removed.
  func expectUntouched(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let now = try folder.contents("run")
    #expect(now.keys.sorted() == before.keys.sorted(), sourceLocation: sourceLocation)
    #expect(now == before, sourceLocation: sourceLocation)
  }
}

extension Program.Run {
  /// Expects exit code 64, no results, and a message with the usage of a command after it.
  func expectUsageError(
    _ message: String, usage: String = "bitlinear",
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(code == 64 && isExit, "code \(code): \(error)", sourceLocation: sourceLocation)
    #expect(output == "", sourceLocation: sourceLocation)
    #expect(error.hasPrefix("Error: "), sourceLocation: sourceLocation)
    #expect(error.contains(message), "\(error)", sourceLocation: sourceLocation)
    #expect(error.contains("\nUsage: \(usage)"), "\(error)", sourceLocation: sourceLocation)
  }

  /// Expects exit code 1, no results, and one line that names the source, what was found there and
  /// what would have been right.
  func expectRefusal(
    source: String, found: String, expected: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(code == 1 && isExit, "code \(code): \(error)", sourceLocation: sourceLocation)
    #expect(output == "", sourceLocation: sourceLocation)
    #expect(complaints.count == 1, "\(error)", sourceLocation: sourceLocation)
    #expect(error.hasSuffix("\n"), sourceLocation: sourceLocation)
    let line = error.split(separator: "\n").last ?? ""
    #expect(line.hasPrefix("Error: \(source): found "), sourceLocation: sourceLocation)
    #expect(line.contains(": found \(found)"), sourceLocation: sourceLocation)
    #expect(line.contains(", expected \(expected)"), sourceLocation: sourceLocation)
  }
}
