import BitCore
import BitFormats
import Synchronization
import TestSupport
import Testing

import BitNN
@testable import BitTraining

@Suite struct ProgressDisplayTests {
  /// Takes what a display writes and tells it a time that tests set.
  private final class Screen: Sendable {
    private let state = Mutex<(written: [String], seconds: Double)>(([], 0))

    var written: [String] { state.withLock { $0.written } }
    var text: String { written.joined() }

    func advance(_ seconds: Double) { state.withLock { $0.seconds += seconds } }

    func display(isTerminal: Bool, usesColor: Bool = false, width: Int = 100) -> ProgressDisplay {
      ProgressDisplay(
        terminal: Terminal(
          isInteractive: isTerminal, usesColor: usesColor, width: { width },
          output: { text in self.state.withLock { $0.written.append(text) } }),
        now: { .seconds(self.state.withLock { $0.seconds }) })
    }

    /// What a terminal shows after all that was written, by lines.
    var shown: [String] {
      var lines = [""]
      var rest = Substring(text)
      while let character = rest.popFirst() {
        switch character {
        case "\r": break
        case "\n": lines.append("")
        case "\u{1B}":
          let code = rest.prefix { !$0.isLetter }
          rest = rest.dropFirst(code.count)
          if rest.popFirst() == "K" { lines[lines.count - 1] = "" }
        default: lines[lines.count - 1].append(character)
        }
      }
      return lines
    }
  }

  private func state(_ sample: Int, epoch: Int = 3) -> ProgressState {
    ProgressState(
      epoch: epoch, epochs: 10, sample: sample, samples: 60_000, loss: 0.34125, accuracy: 0.8812,
      samplesPerSecond: 50_000)
  }

  private func epoch(_ epoch: Int, seconds: Double) -> TrainingHistory.Epoch {
    TrainingHistory.Epoch(
      epoch: epoch, step: 100, trainLoss: 0.25, trainAccuracy: 0.91234, testLoss: 0.33336,
      testAccuracy: 0.875, learningRate: 1e-3, seconds: seconds)
  }

  private let epochDetails =
    "  loss 0.2500  accuracy 91.23%  test loss 0.3334  test accuracy 87.50%"

  @Test func terminalShowsABar() {
    let screen = Screen()
    var display = screen.display(isTerminal: true, width: 120)
    display.update(state(30_000))
    #expect(
      screen.shown == [
        "Epoch  3/10 ━━━━━━━━━━━━━━━───────────────  50%"
          + "  loss 0.341  accuracy 88.1%  50000 samples/s  0:09 left"
      ])
    display.finish()
    #expect(screen.shown == [""])
    let count = screen.written.count
    display.finish()
    #expect(screen.written.count == count)
  }

  @Test func barIsRedrawnAtMostTenTimesASecond() {
    let screen = Screen()
    var display = screen.display(isTerminal: true)
    for step in 0..<1_024 {
      display.update(state(step))
      screen.advance(1 / 256)
    }
    #expect((35...41).contains(screen.written.count))
    #expect(!screen.text.contains("\n"))
  }

  @Test(arguments: [1, 2, 10, 20, 40, 79, 80, 81, 100, 200])
  func barIsNarrowerThanTheTerminal(width: Int) {
    for usesColor in [false, true] {
      let screen = Screen()
      var display = screen.display(isTerminal: true, usesColor: usesColor, width: width)
      display.update(state(59_999, epoch: 10))
      #expect(screen.shown[0].count <= max(width - 1, 1))
      #expect(screen.shown[0].first == "E")
      let starts = screen.text.components(of: "\u{1B}[36m")
      #expect(starts == screen.text.components(of: "\u{1B}[0m"))
      #expect(starts == (usesColor ? 1 : 0))
    }
  }

  @Test(arguments: [
    (84, "━━━━━─────  50%  loss 0.341  accuracy 88.1%  50000 samples/s  0:09 left"),
    (80, "━━━━━━━───────  50%  loss 0.341  accuracy 88.1%  50000/s  0:09 left"),
    (68, "━━━━━──────  50%  loss 0.341  accuracy 88.1%  0:09 left"),
    (50, "━━━━━━━━━━──────────  50%  loss 0.341"), (30, "━━━━━━──────  50%"), (20, "━━━━━──"),
  ]) func barLeavesOutWhatDoesNotFit(width: Int, expected: String) {
    let screen = Screen()
    var display = screen.display(isTerminal: true, width: width)
    display.update(state(30_000))
    let bar = screen.shown[0].dropFirst("Epoch  3/10 ".count)
    #expect(bar == expected)
  }

  @Test func epochLeavesALineOnATerminal() {
    let screen = Screen()
    var display = screen.display(isTerminal: true)
    display.update(state(100))
    display.endEpoch(epoch(3, seconds: 1.26), of: 10)
    let line = "Epoch  3/10\(epochDetails)  1.3 s"
    #expect(screen.shown == [line, ""])
    display.update(state(200, epoch: 4))
    #expect(screen.shown.count == 2 && screen.shown[1].hasPrefix("Epoch  4/10 "))
    display.message("saved")
    #expect(screen.shown == [line, "saved", ""])
  }

  @Test func logHasPlainLinesOnly() {
    let screen = Screen()
    var display = screen.display(isTerminal: false, usesColor: true)
    // 25 seconds give two lines within the epoch.
    for step in 0...100 {
      display.update(state(step * 600))
      screen.advance(0.25)
    }
    display.endEpoch(epoch(3, seconds: 25.25), of: 10)
    // A short epoch gives its last line only.
    for step in 0...9 {
      display.update(state(step * 6_000, epoch: 4))
      screen.advance(0.5)
    }
    display.endEpoch(epoch(4, seconds: 5), of: 10)
    display.finish()
    #expect(
      screen.text == """
        Epoch  3/10   40%  loss 0.341  accuracy 88.1%  50000 samples/s  0:10 left
        Epoch  3/10   80%  loss 0.341  accuracy 88.1%  50000 samples/s  0:09 left
        Epoch  3/10\(epochDetails)  25.3 s
        Epoch  4/10\(epochDetails)  5.0 s

        """)
  }

  @Test func oddNumbersAreShown() {
    let screen = Screen()
    var display = screen.display(isTerminal: true, width: 200)
    display.update(
      ProgressState(
        epoch: 1, epochs: 1, sample: 9, samples: 0, loss: .nan, accuracy: -.infinity,
        samplesPerSecond: .nan))
    #expect(screen.shown[0].hasSuffix("─   0%  loss nan  accuracy -inf%"))
    screen.advance(1)
    display.update(
      ProgressState(
        epoch: 9, epochs: 1, sample: 9, samples: 3, loss: -1e300, samplesPerSecond: 1e-300))
    #expect(screen.shown[0].hasSuffix("━ 100%  loss -1e+300  0 samples/s  0:00 left"))
    screen.advance(1)
    display.update(
      ProgressState(
        epoch: 1, epochs: 2, sample: 1, samples: .max, loss: -0.0001, samplesPerSecond: 1))
    #expect(screen.shown[0].hasSuffix("─   0%  loss 0.000  1 samples/s  over 999 days left"))
  }

  @Test(arguments: [
    (59.2, "1:00"), (3_599.0, "59:59"), (3_600.0, "1:00:00"), (7_384.0, "2:03:04"),
    (345_599.0, "95:59:59"), (350_000.0, "4 days"), (1e8, "over 999 days"),
  ])
  func timeLeftIsAClock(seconds: Double, expected: String) {
    let screen = Screen()
    var display = screen.display(isTerminal: true, width: 200)
    display.update(
      ProgressState(
        epoch: 1, epochs: 1, sample: 0, samples: 1_000, loss: 1, samplesPerSecond: 1_000 / seconds))
    #expect(screen.shown[0].hasSuffix(" \(expected) left"))
  }
}

extension String {
  /// How often a text occurs.
  fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
