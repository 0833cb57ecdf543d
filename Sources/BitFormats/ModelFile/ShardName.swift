/// How files that hold one part of a model are named: `model-00001-of-00003.safetensors`.
enum ShardName {
  /// The end of the name of a part, counted from 0.
  static func suffix(_ part: Int, of count: Int, _ fileExtension: String) -> String {
    "-\(digits(part + 1))-of-\(digits(count)).\(fileExtension)"
  }

  /// What stands before a suffix; nil if the path does not end so.
  static func prefix(of path: String, suffix: String) -> String? {
    guard path.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) else { return nil }
    return String(decoding: path.utf8.dropLast(suffix.utf8.count), as: UTF8.self)
  }

  /// What stands before the suffix of any part of several; nil for other names.
  static func prefix(of path: String, _ fileExtension: String) -> String? {
    let length = suffix(0, of: 2, fileExtension).utf8.count
    let end = String(decoding: path.utf8.suffix(length), as: UTF8.self)
    let numbers = end.split(separator: "-").flatMap { $0.split(separator: ".") }
    guard numbers.count == 4, let part = Int(numbers[0]), let count = Int(numbers[2]), count > 1,
      (1...count).contains(part)
    else { return nil }
    return prefix(of: path, suffix: suffix(part - 1, of: count, fileExtension))
  }

  private static func digits(_ number: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, 5 - text.utf8.count)) + text
  }
}
