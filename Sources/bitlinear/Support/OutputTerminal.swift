import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The terminal on standard output.
enum OutputTerminal {
  /// Whether standard output is a terminal.
  static var isThere: Bool { isatty(STDOUT_FILENO) == 1 }

  /// The columns of the terminal; 80 if there is none or it does not tell.
  static var width: Int {
    var size = winsize()
    guard isThere, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return 80
    }
    return Int(size.ws_col)
  }

  /// What bars are made of: a block on a terminal, plain characters for files and pipes.
  static var barMark: Character { isThere ? "█" : "#" }
}
