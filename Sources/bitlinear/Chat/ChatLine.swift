/// What a line of a conversation asks for.
enum ChatLine: Equatable {
  case message(String)
  case reset
  case system(String)
  case save(String)
  case load(String)
  case exit
  /// A command that does not exist, or that lacks what it is about.
  case unknown(String)

  /// The commands, for people.
  static let usage = "/reset, /system TEXT, /save FILE, /load FILE, /exit"

  /// Reads a line; nil for one without text.
  init?(_ line: String) {
    guard line.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else { return nil }
    guard line.utf8.first == UInt8(ascii: "/") else {
      self = .message(line)
      return
    }
    let parts = line.utf8.split(separator: UInt8(ascii: " "), maxSplits: 1)
    let rest = parts.count > 1 ? Self.trimmed(parts[1]) : ""
    switch (parts.first.map { String(Substring($0)) } ?? "", rest.isEmpty) {
    case ("/reset", true): self = .reset
    case ("/exit", true), ("/quit", true): self = .exit
    case ("/system", false): self = .system(rest)
    case ("/save", false): self = .save(rest)
    case ("/load", false): self = .load(rest)
    default: self = .unknown(line)
    }
  }

  private static func trimmed(_ text: Substring.UTF8View) -> String {
    var text = text
    while let last = text.last, [0x20, 0x09, 0x0d].contains(last) { text.removeLast() }
    return String(Substring(text.drop { $0 == 0x20 }))
  }
}
