import Foundation
import Testing

/// Every block of Swift code in the README and in the articles stands, line for line, in one of the
/// tests of this folder, between a comment that names it and another that ends it:
///
///     // README.md, block 2
///     ...
///     // End of block 2
///
/// So all of it is compiled and run. Imports at the start of a block must be those of the test's file.
@Suite struct DocumentationTests {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static let pages: [String] = {
    let articles = FileManager.default.enumerator(atPath: root.path + "/Sources")?
      .compactMap { $0 as? String }
      .filter { $0.contains(".docc/") && $0.hasSuffix(".md") }
    return ["README.md"] + (articles ?? []).map { "Sources/\($0)" }.sorted()
  }()

  @Test func articlesAreThere() {
    for article in [
      "Exactness", "RunAPackedModel", "RunALanguageModel", "ConvertAModel", "TrainALayer",
      "TrainALanguageModel",
    ] {
      #expect(Self.pages.contains { $0.hasSuffix("/\(article).md") }, "\(article)")
    }
  }

  @Test(arguments: pages) func codeIsCompiled(page: String) throws {
    let name = URL(fileURLWithPath: page).lastPathComponent
    let blocks = try SwiftBlock.blocks(ofPage: Self.root.appendingPathComponent(page))
      .filter { !$0.isManifest }
    let tested = try Self.testedBlocks()
    for (index, block) in blocks.enumerated() {
      let title = "\(name), block \(index + 1)"
      let test = try #require(tested[title], "no test has \(title)")
      #expect(block.code == test.code, "\(title) differs from its test")
      #expect(Set(block.imports).isSubset(of: test.imports), "imports of \(title)")
    }
    // A block that is gone from the page must not stay in the tests.
    #expect(tested.keys.filter { $0.hasPrefix("\(name), block ") }.count == blocks.count, "\(name)")
  }

  /// The manifest that the README shows names products that there are.
  @Test func productsAreThere() throws {
    let manifest = try String(
      contentsOf: Self.root.appendingPathComponent("Package.swift"), encoding: .utf8)
    let shown = try SwiftBlock.blocks(ofPage: Self.root.appendingPathComponent("README.md"))
      .filter(\.isManifest).flatMap(\.code)
    let products = shown.compactMap { line in
      line.firstMatch(of: /\.product\(name: "(\w+)"/).map { String($0.1) }
    }
    #expect(!products.isEmpty)
    for product in products {
      #expect(manifest.contains(".library(name: \"\(product)\""), "\(product)")
    }
  }

  static func testedBlocks() throws -> [String: SwiftBlock] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    var blocks: [String: SwiftBlock] = [:]
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path)
    where file.hasSuffix(".swift") && !"\(#filePath)".hasSuffix("/\(file)") {
      for (title, block) in try SwiftBlock.blocks(
        ofTest: folder.appendingPathComponent(file))
      {
        #expect(blocks.updateValue(block, forKey: title) == nil, "\(title) is there twice")
      }
    }
    return blocks
  }
}
