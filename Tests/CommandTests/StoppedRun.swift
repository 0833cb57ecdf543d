import Foundation

/// A run of the program that is sent a signal once it has written a line.
///
/// Until then nobody reads on, so that a program which writes more than the pipe holds cannot come
/// to its end before the signal, however fast it is.
struct StoppedRun {
  let process: Process
  let error: String

  init(
    _ arguments: [String], environment: [String: String] = [:], after prefix: String,
    delay: DispatchTimeInterval = .never, signal: Int32
  ) async throws {
    let process = try Program.process([Program.path()] + arguments, environment)
    let pipe = Pipe()
    #if os(Linux)
      // F_SETPIPE_SZ: the least that a pipe can hold, less than the lines of all epochs.
      _ = fcntl(pipe.fileHandleForWriting.fileDescriptor, 1031, 4096)
    #endif
    process.standardError = pipe
    process.standardOutput = FileHandle.nullDevice
    let reader = LineReader(pipe.fileHandleForReading)
    try await Program.runToEnd(process) { identifier in
      reader.readLine(prefix: prefix)
      if case .milliseconds(let count) = delay { usleep(UInt32(1000 * count)) }
      kill(identifier, signal)
      reader.readToEnd()
    }
    self.process = process
    error = reader.text
  }
}

/// Collects what comes out of a pipe. Only one thread uses it at a time.
private final class LineReader: @unchecked Sendable {
  private let handle: FileHandle
  private var bytes: [UInt8] = []

  init(_ handle: FileHandle) { self.handle = handle }

  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Reads to the end of a line that begins with `prefix`, or to the end of all.
  func readLine(prefix: String) {
    var line: [UInt8] = []
    while let byte = try? handle.read(upToCount: 1)?.first {
      bytes.append(byte)
      if byte != UInt8(ascii: "\n") {
        line.append(byte)
      } else if line.starts(with: Array(prefix.utf8)) {
        return
      } else {
        line = []
      }
    }
  }

  func readToEnd() {
    if let rest = try? handle.readToEnd() { bytes += rest }
  }
}
