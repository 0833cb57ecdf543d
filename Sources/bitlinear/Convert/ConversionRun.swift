import BitCore
import BitConversion
import ArgumentParser
import BitNN
import Foundation
import Synchronization

/// What `convert` and `quantize` share: the bar, Ctrl-C, and how a size is written.
final class ConversionRun: Sendable {
  private let interrupt = InterruptSignal()
  private let isTerminal: Bool
  private let usesColor: Bool
  private let last = Mutex<(step: ConversionProgress.Step?, percent: Int)>((nil, -1))

  init() {
    let environment = ProcessInfo.processInfo.environment
    isTerminal = isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb"
    usesColor = (environment["NO_COLOR"] ?? "").isEmpty
  }

  /// Draws the bar if it has changed, and stops after Ctrl-C.
  var handler: ConversionProgress.Handler {
    { (progress) throws(InputError) in try self.update(progress) }
  }

  private func update(_ progress: ConversionProgress) throws(InputError) {
    if interrupt.isReceived {
      throw InputError(
        .inputOutput, source: "the program", found: "an interrupt", expected: "to go on")
    }
    guard isTerminal else { return }
    let share = progress.total > 0 ? Double(progress.done) / Double(progress.total) : 1
    let percent = Int(100 * share)
    let isNew = last.withLock { last in
      defer { last = (progress.step, percent) }
      return last.step != progress.step || last.percent != percent
    }
    guard isNew else { return }
    let done = percent * 3 / 10
    let bar = String(repeating: "━", count: done)
    let rest = String(repeating: "─", count: 30 - done)
    let colored = usesColor ? "\u{1B}[36m\(bar)\u{1B}[0m" : bar
    Self.write("\r\u{1B}[K\(progress.step.rawValue) \(colored)\(rest) \(percent)%")
  }

  private static func write(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  /// Runs `body`, then removes the bar.
  ///
  /// - Throws: `ExitCode(130)` after Ctrl-C, and what `body` throws.
  func callAsFunction<R>(_ body: (@escaping ConversionProgress.Handler) throws -> R) throws -> R {
    defer {
      if isTerminal { Self.write("\r\u{1B}[K") }
      interrupt.stop()
    }
    do {
      return try body(handler)
    } catch {
      guard interrupt.isReceived else { throw error }
      throw ExitCode(130)
    }
  }

  /// The type of a name on the command line.
  static func type(_ name: String?) throws(InputError) -> ConversionType? {
    guard let name else { return nil }
    guard let type = ConversionType(rawValue: name) else {
      throw InputError(
        .malformed, source: "--outtype", found: name,
        expected: ConversionType.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return type
  }
}
