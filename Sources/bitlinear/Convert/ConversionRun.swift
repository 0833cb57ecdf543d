import ArgumentParser
import BitConversion
import BitTraining
import Synchronization

/// What `convert` and `quantize` share: a progress bar on standard error, and Ctrl-C.
final class ConversionRun: Sendable {
  private let interrupt = InterruptSignal()
  private let terminal = Terminal.standardError
  /// What the bar shows.
  private let shown = Mutex<(step: ConversionProgress.Step?, percent: Int)>((nil, -1))

  /// Runs `body`, which reports its progress to the closure that it is given, and removes the bar.
  ///
  /// - Throws: `ExitCode` after Ctrl-C, and what `body` throws.
  func callAsFunction<Result>(
    _ body: (@escaping ConversionProgress.Handler) throws -> Result
  ) throws -> Result {
    defer {
      if terminal.isInteractive { terminal.eraseLine() }
      interrupt.stop()
    }
    do {
      return try body { progress in
        if self.interrupt.isReceived { throw CancellationError() }
        if self.terminal.isInteractive { self.show(progress) }
      }
    } catch is CancellationError {
      throw InterruptSignal.exitCode
    }
  }

  /// Draws the bar if it has changed.
  private func show(_ progress: ConversionProgress) {
    let fraction = progress.total > 0 ? Double(progress.done) / Double(progress.total) : 1
    let isNew = shown.withLock { shown in
      let new = (step: progress.step, percent: Int(100 * fraction))
      defer { shown = new }
      return shown.step != new.step || shown.percent != new.percent
    }
    if isNew { terminal.drawBar(label: progress.step.rawValue, fraction: fraction) }
  }
}
