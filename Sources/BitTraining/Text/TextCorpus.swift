import BitCore
import BitFiles

/// Documents of text in files, which are read when they are asked for.
///
/// A .jsonl file has a document on each line, a JSON object with `text`, with `prompt` and
/// `completion`, or with `messages`. Any other file is text in UTF-8 and one document, or several
/// with a line of a given text between them.
///
/// ```swift
/// let corpus = try TextCorpus(paths: ["novels", "answers.jsonl"])
/// let first = try corpus.document(at: 0)
/// ```
public struct TextCorpus: Sendable {
  /// Where a document is.
  private enum Place: Sendable {
    case text(file: Int, Range<Int>, part: Int?)
    case line(file: Int, Range<Int>, number: Int)
    case given(TextDocument)
  }

  /// What messages call it: the first path, with the number of others.
  public let name: String
  private var files: [MappedFile] = []
  private var places: [Place] = []

  /// The documents of files and folders; see ``TextDocument`` for the lines of .jsonl files.
  ///
  /// - Parameters:
  ///   - paths: files, and folders, of which all .txt and .jsonl files are read, sorted by name, and
  ///     those in their folders.
  ///   - separator: the line that parts the documents of a file of text, such as `<|endoftext|>`;
  ///     nil if each file is a document. Documents without a character are left out.
  /// - Throws: `InputError` that names the file, for one that is missing, empty or, with the byte, no
  ///   UTF-8. Lines of .jsonl files are checked by ``document(at:)``.
  public init(paths: [String], separator: String? = nil) throws(InputError) {
    guard let first = paths.first else {
      throw InputError(.missing, source: "text", found: "no path", expected: TextFiles.choices)
    }
    name = paths.count == 1 ? first : "\(first) and \(paths.count - 1) more"
    for path in try TextFiles.find(paths) {
      let file = try MappedFile(path: path)
      let before = places.count
      files.append(file)
      try file.withUnsafeBytes { (bytes) throws(InputError) in
        if TextFiles.isLines(path) {
          addLines(bytes)
        } else {
          try UTF8Check.check(bytes, source: path)
          addTexts(bytes, separator: separator)
        }
      }
      guard places.count > before else {
        throw InputError(.malformed, source: path, found: "no text", expected: "text")
      }
      guard places.count <= TextLimits.documents else {
        throw InputError(
          .unsupported, source: name, found: "more documents",
          expected: "at most \(TextLimits.documents)")
      }
    }
  }

  /// Documents in memory.
  ///
  /// - Throws: `InputError` if there are none.
  public init(_ documents: [TextDocument], name: String = "text") throws(InputError) {
    guard !documents.isEmpty else {
      throw InputError(
        .malformed, source: name, found: "no documents", expected: "at least one")
    }
    self.name = name
    places = documents.map { .given($0) }
  }

  /// The number of documents, at least 1.
  public var count: Int { places.count }

  /// A document; the index must be in `0..<count`.
  ///
  /// - Throws: `InputError` that names the file and the line for a line of a .jsonl file that is no
  ///   document.
  public func document(at index: Int) throws(InputError) -> TextDocument {
    switch places[index] {
    case .given(let document): return document
    case .text(let file, let range, let part):
      let path = files[file].path
      let text = files[file].withUnsafeBytes {
        String(decoding: UnsafeRawBufferPointer(rebasing: $0[range]), as: UTF8.self)
      }
      return TextDocument(
        .text(text), source: part.map { "\(path), document \($0)" } ?? path)
    case .line(let file, let range, let number):
      return try files[file].withUnsafeBytes { (bytes) throws(InputError) in
        try TextDocument(
          line: UnsafeRawBufferPointer(rebasing: bytes[range]),
          source: "\(files[file].path), line \(number)")
      }
    }
  }

  /// Adds the lines of the last file that are not blank.
  private mutating func addLines(_ bytes: UnsafeRawBufferPointer) {
    var number = 0
    forEachLine(of: bytes, from: Self.textStart(bytes)) { line in
      number += 1
      guard line.contains(where: { !Self.isSpace(bytes[$0]) }) else { return }
      places.append(.line(file: files.count - 1, line, number: number))
    }
  }

  /// Adds the last file, or its parts between separators.
  private mutating func addTexts(_ bytes: UnsafeRawBufferPointer, separator: String?) {
    let file = files.count - 1
    let start = Self.textStart(bytes)
    guard let separator else {
      if start < bytes.count { places.append(.text(file: file, start..<bytes.count, part: nil)) }
      return
    }
    let mark = Array(separator.utf8)
    var (first, part) = (start, 0)
    func add(to end: Int) {
      // The line break before the separator belongs to it.
      let end = end > first && end < bytes.count ? end - 1 : end
      guard end > first else { return }
      part += 1
      places.append(.text(file: file, first..<end, part: part))
    }
    forEachLine(of: bytes, from: start) { line in
      let isCarriage = line.last.map { bytes[$0] == UInt8(ascii: "\r") } ?? false
      guard bytes[isCarriage ? line.dropLast() : line].elementsEqual(mark) else { return }
      add(to: line.lowerBound)
      first = min(line.upperBound + 1, bytes.count)
    }
    add(to: bytes.count)
  }

  /// Calls `body` with each line, without its line feed.
  private func forEachLine(
    of bytes: UnsafeRawBufferPointer, from start: Int, _ body: (Range<Int>) -> Void
  ) {
    var start = start
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      body(start..<end)
      start = end + 1
    }
  }

  /// Where the text begins: after a byte order mark, if there is one.
  private static func textStart(_ bytes: UnsafeRawBufferPointer) -> Int {
    bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (9...13).contains(byte)
  }
}
