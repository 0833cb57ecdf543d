/// A piece of a template's source.
struct TemplateToken: Sendable {
  enum Kind: Sendable, Equatable {
    /// Text outside of tags.
    case text(String)
    /// `{{`
    case printBegin
    /// `}}`
    case printEnd
    /// `{%`
    case blockBegin
    /// `%}`
    case blockEnd
    /// A name or word of the language; ASCII.
    case name(String)
    case string(String)
    case integer(Int128)
    case float(Double)
    /// An operator or bracket.
    case symbol(String)
    case end
  }

  let kind: Kind
  /// From 1.
  let line: Int

  /// In the words of an error.
  var words: String {
    switch kind {
    case .text: "text"
    case .printBegin: "\"{{\""
    case .printEnd: "\"}}\""
    case .blockBegin: "\"{%\""
    case .blockEnd: "\"%}\""
    case .name(let name): "\"\(name.prefix(80))\""
    case .string: "a string"
    case .integer, .float: "a number"
    case .symbol(let symbol): "\"\(symbol)\""
    case .end: "the end of the template"
    }
  }
}
