import Foundation

/// A block of Swift code of a page, or of a test that stands for it.
struct SwiftBlock {
  /// The modules that are imported before the code.
  var imports: [String] = []
  /// The lines after the imports, as far to the left as they go.
  var code: [String] = []

  /// Whether it is a part of a `Package.swift`.
  var isManifest: Bool { code.contains { $0.contains(".package(") } }

  init(_ lines: some Sequence<Substring>) {
    var lines = lines.map(String.init)
    while let line = lines.first, line.hasPrefix("import ") || line.isEmpty {
      if !line.isEmpty { imports.append(line) }
      lines.removeFirst()
    }
    let indentation = lines.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
    code = lines.map { String($0.dropFirst(indentation)) }
  }

  /// The blocks of a Markdown page, between ```` ```swift ```` and ```` ``` ````.
  static func blocks(ofPage page: URL) throws -> [SwiftBlock] {
    var blocks: [SwiftBlock] = []
    var lines: [Substring]?
    for line in try String(contentsOf: page, encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
    {
      if let open = lines, line == "```" {
        blocks.append(SwiftBlock(open))
        lines = nil
      } else if lines != nil {
        lines?.append(line)
      } else if line == "```swift" {
        lines = []
      }
    }
    return blocks
  }

  /// The blocks of a test, by the comments that begin them.
  static func blocks(ofTest file: URL) throws -> [String: SwiftBlock] {
    var blocks: [String: SwiftBlock] = [:]
    var imports: [String] = []
    var open: (title: String, lines: [Substring])?
    for line in try String(contentsOf: file, encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
    {
      if line.hasPrefix("import ") { imports.append(String(line)) }
      if let match = line.firstMatch(of: /^ *\/\/ (\S+\.md, block \d+)$/) {
        open = (String(match.1), [])
      } else if let block = open, line.contains(/^ *\/\/ End of block \d+$/) {
        blocks[block.title] = SwiftBlock(block.lines)
        blocks[block.title]?.imports = imports
        open = nil
      } else {
        open?.lines.append(line)
      }
    }
    return blocks
  }
}
