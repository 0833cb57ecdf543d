import BitCore
import BitFormats
import Foundation

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What an XML parser finds in a page or a picture.
struct ReportXML {
  /// The first error of the parser; nil for well-formed XML.
  private(set) var error: String?
  /// The names of all elements in order.
  private(set) var elements: [String] = []
  /// The attributes of the elements of the same index.
  private(set) var attributes: [[String: String]] = []
  /// All text but that of styles, joined.
  private(set) var text = ""

  /// Parses the markup.
  init(_ markup: String) {
    let collector = Collector()
    let parser = XMLParser(data: Data(markup.utf8))
    parser.delegate = collector
    if !parser.parse() {
      error = "line \(parser.lineNumber): " + String(describing: parser.parserError)
    }
    elements = collector.elements
    attributes = collector.attributes
    text = collector.text
  }

  /// The values of an attribute of all elements that have it.
  func values(_ attribute: String) -> [String] {
    attributes.compactMap { $0[attribute] }
  }

  private final class Collector: NSObject, XMLParserDelegate {
    var elements: [String] = []
    var attributes: [[String: String]] = []
    var text = ""
    private var isStyle = false

    func parser(
      _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?,
      qualifiedName: String?, attributes attributeDict: [String: String]
    ) {
      elements.append(elementName)
      attributes.append(attributeDict)
      isStyle = elementName == "style"
    }

    func parser(
      _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?,
      qualifiedName: String?
    ) {
      isStyle = false
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
      if !isStyle { text += string }
    }
  }
}
