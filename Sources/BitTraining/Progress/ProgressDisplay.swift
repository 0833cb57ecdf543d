import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Where a training run stands.
public struct ProgressState: Sendable {
  /// The current epoch, counted from 1.
  public var epoch: Int
  /// The number of epochs of the run.
  public var epochs: Int
  /// How many samples of this epoch are done.
  public var sample: Int
  /// The number of samples of an epoch.
  public var samples: Int
  /// The mean training loss of late.
  public var loss: Double
  /// The share of samples recognised of late, from 0 to 1; nil if it is not measured.
  public var accuracy: Double?
  /// The speed of training; 0 if it is not known yet.
  public var samplesPerSecond: Double

  /// A state of these values; all counts from 0 but `epoch`, which is 1 in the first epoch.
  public init(
    epoch: Int, epochs: Int, sample: Int, samples: Int, loss: Double, accuracy: Double? = nil,
    samplesPerSecond: Double = 0
  ) {
    self.epoch = epoch
    self.epochs = epochs
    self.sample = sample
    self.samples = samples
    self.loss = loss
    self.accuracy = accuracy
    self.samplesPerSecond = samplesPerSecond
  }

  /// The done share of this epoch, from 0 to 1.
  public var fraction: Double {
    samples > 0 ? min(max(Double(sample) / Double(samples), 0), 1) : 0
  }

  /// The seconds until the last epoch ends at the present speed; nil if no speed is known.
  public var secondsLeft: Double? {
    guard samplesPerSecond > 0, samplesPerSecond.isFinite else { return nil }
    let epochsLeft = Double(max(epochs - epoch, 0)) + 1 - fraction
    return epochsLeft * Double(max(samples, 0)) / samplesPerSecond
  }
}

/// Shows the progress of training: a bar on a terminal, plain lines elsewhere.
///
/// On a terminal one line is redrawn, at most ten times a second and never wider than the terminal:
///
///     Epoch 3/10 ━━━━━━━━━━──────────  52%  loss 0.341  accuracy 88.1%  54300 samples/s  1:23 left
///
/// and each epoch leaves one line of summary. Where the output is not a terminal, such as a log
/// file, there are no control characters: one line for each epoch and, in long epochs, one more
/// every ten seconds.
public struct ProgressDisplay: Sendable {
  private static let redrawInterval = Duration.milliseconds(100)
  private static let lineInterval = Duration.seconds(10)
  private static let eraseLine = "\r\u{1B}[K"

  private let isTerminal: Bool
  private let usesColor: Bool
  private let width: @Sendable () -> Int
  private let output: @Sendable (String) -> Void
  private let now: @Sendable () -> Duration
  /// When the bar or a line was last written; nil before the first update.
  private var lastWrite: Duration?
  private var isBarShown = false

  /// A display with its own output and clock.
  ///
  /// - Parameters:
  ///   - isTerminal: Whether to redraw one line; otherwise only plain lines are written.
  ///   - usesColor: Whether the bar is coloured; without effect if there is no terminal.
  ///   - width: Gives the columns of the terminal; asked at each redraw, since windows are resized.
  ///   - write: Takes what is to be shown.
  ///   - now: Gives the time since some fixed moment.
  public init(
    isTerminal: Bool, usesColor: Bool = false, width: @escaping @Sendable () -> Int = { 80 },
    write: @escaping @Sendable (String) -> Void, now: @escaping @Sendable () -> Duration
  ) {
    self.isTerminal = isTerminal
    self.usesColor = usesColor
    self.width = width
    self.output = write
    self.now = now
  }

  /// A display on standard error.
  ///
  /// The bar needs a terminal that is not `TERM=dumb`; the variable `NO_COLOR` turns colour off
  /// (<https://no-color.org>).
  public static func standardError() -> ProgressDisplay {
    let start = ContinuousClock.now
    return ProgressDisplay(
      isTerminal: isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb",
      usesColor: (environment("NO_COLOR") ?? "").isEmpty, width: terminalWidth,
      write: writeToStandardError, now: { ContinuousClock.now - start })
  }

  /// Shows where training stands, unless it was shown a moment ago.
  public mutating func update(_ state: ProgressState) {
    let time = now()
    if isTerminal {
      if isBarShown, let lastWrite, time - lastWrite < Self.redrawInterval { return }
      output(Self.eraseLine + bar(state))
      isBarShown = true
      lastWrite = time
    } else if let last = lastWrite {
      guard time - last >= Self.lineInterval else { return }
      let percent = Self.padded(NumberText.percent(state.fraction, decimals: 0), to: 4)
      output(
        "\(Self.label(state.epoch, state.epochs))  \(percent)" + details(state)
          + "\n")
      lastWrite = time
    } else {
      lastWrite = time
    }
  }

  /// Removes the bar and writes a line about an epoch that is done.
  ///
  /// - Parameters:
  ///   - epoch: The epoch, counted from 1.
  ///   - epochs: The number of epochs of the run.
  ///   - trainLoss: The mean training loss of the epoch.
  ///   - trainAccuracy: The share of training samples recognised; nil leaves it out.
  ///   - testLoss: The mean loss on the test samples; nil leaves it out.
  ///   - testAccuracy: The share of test samples recognised; nil leaves it out.
  ///   - seconds: How long the epoch took.
  public mutating func endEpoch(
    epoch: Int, epochs: Int, trainLoss: Double, trainAccuracy: Double? = nil,
    testLoss: Double? = nil, testAccuracy: Double? = nil, seconds: Double
  ) {
    var line = Self.label(epoch, epochs) + "  loss " + NumberText.fixed(trainLoss, decimals: 4)
    if let trainAccuracy { line += "  accuracy " + NumberText.percent(trainAccuracy, decimals: 2) }
    if let testLoss { line += "  test loss " + NumberText.fixed(testLoss, decimals: 4) }
    if let testAccuracy {
      line += "  test accuracy " + NumberText.percent(testAccuracy, decimals: 2)
    }
    message(line + "  " + NumberText.fixed(seconds, decimals: 1) + " s")
  }

  /// Removes the bar and writes a line that stays; the next update draws the bar below it.
  public mutating func message(_ line: String) {
    finish()
    output(line + "\n")
    lastWrite = now()
  }

  /// Removes the bar, so that the terminal is as it was. To be called at the end, also of a
  /// training that failed; calling it twice does no harm.
  public mutating func finish() {
    guard isBarShown else { return }
    output(Self.eraseLine)
    isBarShown = false
  }

  // MARK: - Text

  /// The bar line without control characters but colour, one column narrower than the terminal:
  /// many terminals wrap a line that fills them.
  private func bar(_ state: ProgressState) -> String {
    let limit = max(width() - 1, 1)
    let label = Self.label(state.epoch, state.epochs) + " "
    let percent = " " + Self.padded(NumberText.percent(state.fraction, decimals: 0), to: 4)
    // What does not fit is left out whole, for half a number would be a wrong one.
    let room = limit - label.count - percent.count
    let choices = [
      details(state), details(state, speedUnit: "/s"), details(state, speedUnit: nil),
      "  loss " + NumberText.fixed(state.loss, decimals: 3),
    ]
    let details = choices.first { room - $0.count >= 10 } ?? ""
    let rest = percent + details
    let length = min(max(room - details.count, 10), 30)
    let done = Int(state.fraction * Double(length))
    let text =
      label + String(repeating: "━", count: done) + String(repeating: "─", count: length - done)
      + rest
    let cut = text.prefix(limit)
    guard usesColor, done > 0 else { return String(cut) }
    let tail = cut.dropFirst(label.count)
    return cut.prefix(label.count) + "\u{1B}[36m" + tail.prefix(done) + "\u{1B}[0m"
      + tail.dropFirst(done)
  }

  /// Loss, accuracy, speed and the time left, as far as they are known.
  private func details(_ state: ProgressState, speedUnit: String? = " samples/s") -> String {
    var text = "  loss " + NumberText.fixed(state.loss, decimals: 3)
    if let accuracy = state.accuracy {
      text += "  accuracy " + NumberText.percent(accuracy, decimals: 1)
    }
    if let seconds = state.secondsLeft {
      if let speedUnit {
        text += "  " + NumberText.fixed(state.samplesPerSecond, decimals: 0) + speedUnit
      }
      text += "  " + Self.clock(seconds) + " left"
    }
    return text
  }

  /// "Epoch  3/10": padded, so that the lines of all epochs align.
  private static func label(_ epoch: Int, _ epochs: Int) -> String {
    "Epoch " + padded(String(epoch), to: String(epochs).count) + "/\(epochs)"
  }

  private static func padded(_ text: String, to width: Int) -> String {
    String(repeating: " ", count: max(width - text.count, 0)) + text
  }

  /// A duration as minutes and seconds, "1:23", or with hours, "2:03:04".
  private static func clock(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "ages" }
    let total = Int(seconds.rounded(.up))
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
    let tail = (rest < 10 ? "0" : "") + String(rest)
    return hours == 0
      ? "\(minutes):" + tail : "\(hours):" + (minutes < 10 ? "0" : "") + "\(minutes):" + tail
  }

  // MARK: - Standard error

  private static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// The columns of the terminal on standard error; 80 if it does not tell.
  @Sendable private static func terminalWidth() -> Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Writes all of a text at once; gives up silently if standard error is closed.
  @Sendable private static func writeToStandardError(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
