import BitCore
import BitFormats
import Foundation
import Testing

/// The built program, run as a user runs it.
enum Program {
  /// What a run of the program left.
  struct Run {
    /// The exit code, or the number of the signal that ended the program.
    let code: Int32
    /// Whether the program ended by itself and not by a signal.
    let isExit: Bool
    /// All of standard output.
    let output: String
    /// All of standard error.
    let error: String

    /// The lines of standard error without those that tell of progress.
    var complaints: [Substring] {
      error.split(separator: "\n").filter {
        line in !["Training ", "Epoch ", "Step ", "Resuming "].contains { line.hasPrefix($0) }
      }
    }

    /// The lines of standard output.
    var lines: [Substring] { output.split(separator: "\n", omittingEmptySubsequences: false) }

    /// The last line of standard output as JSON.
    func json() throws -> [String: Any] {
      let line = try #require(output.split(separator: "\n").last)
      let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
      return try #require(value as? [String: Any])
    }
  }

  /// The tests cannot run because the program is not where it is looked for.
  struct NotFound: Error, CustomStringConvertible {
    let places: [String]
    var description: String {
      "no program bitlinear in \(places.joined(separator: ", ")); BITLINEAR_BINARY may name it"
    }
  }

  /// The program: what `BITLINEAR_BINARY` names, or the product beside the test bundle.
  static func path() throws -> String {
    if let path = ProcessInfo.processInfo.environment["BITLINEAR_BINARY"] { return path }
    let starts =
      [CommandLine.arguments.first].compactMap(\.self)
      + Bundle.allBundles.map(\.bundlePath) + [Bundle.main.executablePath].compactMap(\.self)
    var places: [String] = []
    for start in starts {
      var folder = URL(fileURLWithPath: start)
      // A bundle is a folder, in which the test program lies three folders deep.
      for _ in 0..<4 where folder.path != "/" {
        folder.deleteLastPathComponent()
        let path = folder.appendingPathComponent("bitlinear").path
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
          !isFolder.boolValue, FileManager.default.isExecutableFile(atPath: path)
        {
          return path
        }
        places.append(folder.path)
      }
    }
    throw NotFound(places: places)
  }

  /// Runs the program to its end.
  ///
  /// - Parameters:
  ///   - arguments: those after the program's name.
  ///   - environment: variables besides those of this process.
  ///   - input: what is on its standard input.
  ///   - wrapper: a program with arguments that runs the rest of its arguments.
  static func run(
    _ arguments: [String], environment: [String: String] = [:], input: String? = nil,
    wrapper: [String] = []
  ) async throws -> Run {
    let folder = try TemporaryFolder()
    let process = try process(wrapper + [path()] + arguments, environment)
    process.standardOutput = try folder.handle("stdout")
    process.standardError = try folder.handle("stderr")
    if let input {
      let path = try folder.write("stdin", input)
      process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    }
    try await runToEnd(process)
    return Run(
      code: process.terminationStatus, isExit: process.terminationReason == .exit,
      output: try folder.text("stdout"), error: try folder.text("stderr"))
  }

  /// A process that is not started yet, with nothing on its standard input.
  static func process(_ command: [String], _ environment: [String: String]) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(command.first))
    process.arguments = Array(command.dropFirst())
    // What the developer has set must not change results.
    process.environment = ProcessInfo.processInfo.environment
      .filter { !$0.key.hasPrefix("BITLINEAR_") && $0.key != "NO_COLOR" }
      .merging(environment) { _, given in given }
    process.standardInput = FileHandle.nullDevice
    return process
  }

  /// Starts the process and waits without blocking a thread that other tests need. A process that
  /// hangs is killed after some minutes, so that the test fails instead of waiting for ever.
  ///
  /// `body` may meanwhile read what the process writes and send it signals; it is given its number.
  static func runToEnd(
    _ process: Process, whileRunning body: @escaping @Sendable (Int32) -> Void = { _ in }
  ) async throws {
    let group = DispatchGroup()
    group.enter()
    process.terminationHandler = { _ in group.leave() }
    do {
      try process.run()
    } catch {
      process.terminationHandler = nil
      group.leave()
      throw error
    }
    let identifier = process.processIdentifier
    DispatchQueue.global().async(group: group) { body(identifier) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 240) { [weak process] in
      if process?.isRunning == true { kill(identifier, SIGKILL) }
    }
    await withCheckedContinuation { continuation in
      group.notify(queue: .global()) { continuation.resume() }
    }
  }
}
