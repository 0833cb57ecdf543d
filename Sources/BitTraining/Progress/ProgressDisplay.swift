/// Shows the progress of training: a bar on a terminal, plain lines elsewhere.
///
/// On a terminal one line is redrawn, at most ten times a second and never wider than the terminal:
///
///     Epoch 3/10 ━━━━━━━━━━──────────  52%  loss 0.341  accuracy 88.1%  54300 samples/s  1:23 left
///
/// and each epoch leaves one line of summary. Where the output is not a terminal, such as a log
/// file, there are no control characters: one line per epoch and, in long epochs, one more every
/// ten seconds.
public struct ProgressDisplay: Sendable {
  private static let redrawInterval = Duration.milliseconds(100)
  private static let lineInterval = Duration.seconds(10)

  private let terminal: Terminal
  private let now: @Sendable () -> Duration
  /// When the bar or a line was last written; nil before the first update.
  private var lastWrite: Duration?
  private var isBarShown = false

  /// A display on `terminal`; `now` gives the time since some fixed moment.
  package init(terminal: Terminal, now: @escaping @Sendable () -> Duration) {
    self.terminal = terminal
    self.now = now
  }

  /// A display on standard error.
  ///
  /// The bar needs a terminal that is not `TERM=dumb`; the variable `NO_COLOR` turns colour off
  /// (<https://no-color.org>).
  public static func standardError() -> ProgressDisplay {
    let start = ContinuousClock.now
    return ProgressDisplay(terminal: .standardError, now: { ContinuousClock.now - start })
  }

  /// Shows where training stands, unless that was last shown less than 100 ms (on a terminal) or 10 s ago.
  package mutating func update(_ state: ProgressState) {
    let time = now()
    let label = state.label
    if terminal.isInteractive {
      if isBarShown, let lastWrite, time - lastWrite < Self.redrawInterval { return }
      terminal.drawBar(
        label: label, fraction: state.fraction,
        details: [
          details(state, speedUnit: " \(state.unit)/s"), details(state, speedUnit: "/s"),
          details(state, speedUnit: nil),
          "  loss " + NumberText.fixed(state.loss, decimals: 3),
        ])
      isBarShown = true
    } else if let lastWrite {
      guard time - lastWrite >= Self.lineInterval else { return }
      let percent = NumberText.padded(NumberText.percent(state.fraction, decimals: 0), to: 4)
      terminal.write(
        "\(label)  \(percent)\(details(state, speedUnit: " \(state.unit)/s"))\n")
    }
    lastWrite = time
  }

  /// Removes the bar and writes a line about an epoch that is done, one of `epochs`.
  package mutating func endEpoch(_ epoch: TrainingHistory.Epoch, of epochs: Int) {
    message(
      ProgressState.label("Epoch", epoch.epoch, of: epochs)
        + "  loss " + NumberText.fixed(epoch.trainLoss, decimals: 4)
        + "  accuracy " + NumberText.percent(epoch.trainAccuracy, decimals: 2)
        + "  test loss " + NumberText.fixed(epoch.testLoss, decimals: 4)
        + "  test accuracy " + NumberText.percent(epoch.testAccuracy, decimals: 2)
        + "  " + NumberText.fixed(epoch.seconds, decimals: 1) + " s")
  }

  /// Removes the bar and writes a line that stays; the next update draws the bar below it.
  public mutating func message(_ line: String) {
    finish()
    terminal.write(line + "\n")
    lastWrite = now()
  }

  /// Removes the bar, so that the terminal is as it was. To be called at the end, also of a
  /// training that failed; calling it twice does no harm.
  public mutating func finish() {
    guard isBarShown else { return }
    terminal.eraseLine()
    isBarShown = false
  }

  /// Loss, accuracy, speed and the time left, as far as they are known.
  private func details(_ state: ProgressState, speedUnit: String?) -> String {
    var text = "  loss " + NumberText.fixed(state.loss, decimals: 3)
    if let accuracy = state.accuracy {
      text += "  accuracy " + NumberText.percent(accuracy, decimals: 1)
    }
    if let seconds = state.secondsLeft {
      if let speedUnit {
        text += "  " + NumberText.fixed(state.speed, decimals: 0) + speedUnit
      }
      text += "  " + NumberText.clock(seconds) + " left"
    }
    return text
  }
}
