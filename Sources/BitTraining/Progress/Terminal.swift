#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An output of the program that may be a terminal, on which a line can be redrawn, or a file or
/// pipe, which gets plain text only.
package struct Terminal: Sendable {
  /// Whether lines can be redrawn; otherwise only plain lines should be written.
  package let isInteractive: Bool
  private let usesColor: Bool
  private let width: @Sendable () -> Int
  private let output: @Sendable (String) -> Void

  /// A terminal that behaves as given, for tests.
  ///
  /// - Parameters:
  ///   - isInteractive: whether lines can be redrawn.
  ///   - usesColor: whether the bar is coloured.
  ///   - width: gives the columns; asked at each redraw, since windows are resized.
  ///   - output: takes what is written.
  package init(
    isInteractive: Bool, usesColor: Bool = false, width: @escaping @Sendable () -> Int = { 80 },
    output: @escaping @Sendable (String) -> Void
  ) {
    self.isInteractive = isInteractive
    self.usesColor = usesColor
    self.width = width
    self.output = output
  }

  /// What the program's output number `descriptor` leads to. `TERM=dumb` stands for a terminal that
  /// cannot redraw a line; the variable `NO_COLOR` turns colour off (<https://no-color.org>).
  private init(descriptor: Int32) {
    self.init(
      isInteractive: isatty(descriptor) == 1 && Self.environment("TERM") != "dumb",
      usesColor: (Self.environment("NO_COLOR") ?? "").isEmpty,
      width: { Self.width(of: descriptor) }, output: { writeAll($0, to: descriptor) })
  }

  /// Standard output.
  package static let standardOutput = Terminal(descriptor: STDOUT_FILENO)
  /// Standard error.
  package static let standardError = Terminal(descriptor: STDERR_FILENO)

  /// The width in columns; 80 where there is no terminal.
  package var columns: Int { width() }

  /// Writes text as it is.
  package func write(_ text: String) { output(text) }

  /// Erases the line that the cursor is in.
  package func eraseLine() { output("\r\u{1B}[K") }

  /// Replaces the line that the cursor is in by a progress bar: "label ━━━━───  57%  details".
  ///
  /// - Parameters:
  ///   - label: what is in progress.
  ///   - fraction: how much of it is done, from 0 to 1.
  ///   - details: texts to follow the bar, the first choice first. The first that fits is shown,
  ///     or none: a text that is cut could show a wrong number.
  package func drawBar(label: String, fraction: Double, details: [String] = []) {
    // One column is left free, because many terminals wrap a line that fills them.
    let limit = max(columns - 1, 1)
    let start = label + " "
    let percent = " " + NumberText.padded(NumberText.percent(fraction, decimals: 0), to: 4)
    let room = limit - start.count - percent.count
    let details = details.first { room - $0.count >= 10 } ?? ""
    let length = min(max(room - details.count, 10), 30)
    let done = Int(fraction * Double(length))
    let bar = String(repeating: "━", count: done) + String(repeating: "─", count: length - done)
    var line = String((start + bar + percent + details).prefix(limit))
    if usesColor, done > 0 {
      let tail = line.dropFirst(start.count)
      line =
        line.prefix(start.count) + "\u{1B}[36m" + tail.prefix(done) + "\u{1B}[0m"
        + tail.dropFirst(done)
    }
    output("\r\u{1B}[K" + line)
  }

  // MARK: - System

  private static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  private static func width(of descriptor: Int32) -> Int {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}

/// Writes the whole text; gives up silently if the output is closed.
private func writeAll(_ text: String, to descriptor: Int32) {
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR { continue }
    guard count > 0 else { return }
    bytes = bytes.dropFirst(count)
  }
}
