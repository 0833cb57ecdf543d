extension HTMLReport {
  /// The texts that the models wrote.
  var texts: String? {
    guard !content.texts.isEmpty || !content.earlierTexts.isEmpty else { return nil }
    func cards(_ texts: [ReportText]) -> String {
      let cards = texts.map { text in
        "<div class=\"card\"><h3>\(SVG.escape(text.title))</h3>\(html(text.text))</div>"
      }
      return "<div class=\"pair\">\(cards.joined(separator: "\n"))</div>"
    }
    let count = content.earlierTexts.count
    let earlier =
      "<details><summary>\(count) earlier text\(count == 1 ? "" : "s")</summary>"
      + "\(cards(content.earlierTexts))</details>"
    return section(
      "Sample texts", nil,
      (content.texts.isEmpty ? "" : cards(content.texts)) + (count == 0 ? "" : earlier))
  }

  /// A text with its spaces and line breaks, in the direction of its letters.
  private func html(_ text: String) -> String {
    // In a pre element, a page would lose a line break at the beginning.
    "<div class=\"preformatted\" dir=\"auto\">\(SVG.escape(text))</div>"
  }
}
