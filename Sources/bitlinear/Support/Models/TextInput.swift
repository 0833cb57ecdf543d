import BitCore
import BitFiles

/// Text that a command reads, from a file or from standard input.
struct TextInput {
  /// The name for errors.
  let source: String
  let bytes: [UInt8]

  /// More text than any context holds, but not more than memory does.
  private static let byteLimit = 1 << 29

  /// The bytes of a file; "-" stands for standard input.
  init(path: String) throws(InputError) {
    if path.utf8.elementsEqual("-".utf8) {
      source = "standard input"
      bytes = try Self.contents(of: STDIN_FILENO, source: source)
    } else {
      source = path
      bytes = try MappedFile.contents(of: path, limit: Self.byteLimit)
    }
  }

  private static func contents(
    of descriptor: Int32, source: String
  ) throws(InputError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileSystem.failure(errno, source: source, expected: "text")
      }
      guard count > 0 else { break }
      bytes += buffer[..<count]
      guard bytes.count <= byteLimit else {
        throw InputError(
          .unsupported, source: source, found: "more than \(byteLimit) bytes",
          expected: "at most \(byteLimit)")
      }
    }
    return bytes
  }

  /// The text.
  ///
  /// - Parameter dropsNewline: whether to leave out one line break at the end, which editors and
  ///   `echo` put there.
  /// - Throws: ``InputError`` for what is no UTF-8.
  func text(dropsNewline: Bool = false) throws(InputError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw InputError(
        .malformed, source: source, found: "bytes that are not UTF-8", expected: "text in UTF-8")
    }
    guard dropsNewline, bytes.last == UInt8(ascii: "\n") else { return text }
    let end = bytes.dropLast().last == UInt8(ascii: "\r") ? 2 : 1
    return String(decoding: bytes.dropLast(end), as: UTF8.self)
  }

  /// Whether standard input is typed by a person.
  static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }
}
