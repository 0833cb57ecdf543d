import BitCore
import BitNN

/// Options that take values with commas between them.
enum OptionList {
  /// The values of a list.
  ///
  /// - Parameters:
  ///   - option: the option, such as `--layers`, for the error.
  ///   - text: what was given.
  ///   - expected: what would be right, for the error.
  ///   - read: gives a value for its text, or nil.
  /// - Throws: ``InputError`` that names the option and the first part that cannot be read.
  static func values<T>(
    _ option: String, _ text: String, _ expected: String, _ read: (String) -> T?
  ) throws(InputError) -> [T] {
    var values: [T] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let value = read(String(part)) else {
        throw InputError(
          .malformed, source: "\(option) \(text)", found: "\"\(part)\"", expected: expected)
      }
      values.append(value)
    }
    return values
  }
}
