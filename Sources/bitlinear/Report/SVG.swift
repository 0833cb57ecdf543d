import BitTraining

/// Text for SVG and HTML: escaping, numbers, elements. Nothing here depends on the locale.
enum SVG {
  /// The text with all characters escaped that mean something in XML, for content and attributes.
  ///
  /// Control characters, which XML forbids, become U+FFFD.
  static func escape(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\t", "\n": result.unicodeScalars.append(scalar)
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A coordinate: at most two decimals and no trailing zeros; 0 for what is not finite.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    var text = NumberText.fixed(value, decimals: 2)
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }

  /// An element. Attribute values are escaped, and nil leaves an attribute out; `content` is markup
  /// and is taken as it is.
  static func element(
    _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], _ content: String? = nil
  ) -> String {
    let list = attributes.map { key, value in
      value.map { " \(key)=\"\(escape($0))\"" } ?? ""
    }.joined()
    return content.map { "<\(name)\(list)>\($0)</\(name)>" } ?? "<\(name)\(list)/>"
  }

  /// A line of text at a point; `anchor` is `start`, `middle` or `end`.
  static func text(
    _ text: String, x: Double, y: Double, style: String, anchor: String = "start"
  ) -> String {
    element(
      "text",
      ["class": style, "x": number(x), "y": number(y), "text-anchor": anchor], escape(text))
  }

  /// A straight line.
  static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String) -> String
  {
    element(
      "line",
      [
        "class": style, "x1": number(x1), "y1": number(y1), "x2": number(x2), "y2": number(y2),
      ])
  }

  /// A filled rectangle.
  static func rectangle(
    x: Double, y: Double, width: Double, height: Double, style: String, opacity: Double = 1,
    tooltip: String? = nil
  ) -> String {
    element(
      "rect",
      [
        "class": style, "x": number(x), "y": number(y), "width": number(width),
        "height": number(height),
        "fill-opacity": opacity < 1 ? NumberText.fixed(opacity, decimals: 3) : nil,
      ], tooltip.map { element("title", [:], escape($0)) })
  }

  /// An `svg` element that screen readers take for one picture with a title and a description.
  ///
  /// `id` must be unique in the page. A standalone picture has the namespace and its own size.
  static func picture(
    id: String, title: String, description: String, width: Double, height: Double,
    isStandalone: Bool = false, content: String
  ) -> String {
    let labels =
      element("title", ["id": id + "-title"], escape(title))
      + element("desc", ["id": id + "-desc"], escape(description))
    let size = isStandalone ? " width=\"\(number(width))\" height=\"\(number(height))\"" : ""
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\"\(size)"
      + " viewBox=\"0 0 \(number(width)) \(number(height))\" role=\"img\""
      + " aria-labelledby=\"\(escape(id))-title \(escape(id))-desc\">"
      + labels + content + "</svg>"
  }

  /// About how wide a text is drawn at a font size, for legends and margins.
  static func estimatedWidth(_ text: String, size: Double) -> Double {
    Double(text.count) * size * 0.56
  }

  /// The text, cut with an ellipsis if it has more characters than the limit.
  static func cut(_ text: String, to limit: Int) -> String {
    text.count <= limit ? text : text.prefix(max(limit - 1, 0)) + "…"
  }
}
