import BitCore
import BitFiles

/// Files that a checkpoint names or has beside its tensors.
enum SiblingFile {
  /// Checks that a name leads to a file of its folder and nowhere else.
  static func check(name: String, source: String) throws(InputError) {
    let bytes = Array(name.utf8)
    let refused = [UInt8(ascii: "/"), UInt8(ascii: "\\"), 0]
    guard !bytes.isEmpty, name != ".", !bytes.contains(where: refused.contains),
      !zip(bytes, bytes.dropFirst()).contains(where: { $0 == 0x2e && $1 == 0x2e })
    else {
      throw InputError(
        .malformed, source: source, found: "the file name \(ErrorText.quoted(name))",
        expected: "a file of the same folder, without a path")
    }
  }

  /// The value of a JSON file of at most `limit` bytes.
  static func json(path: String, limit: Int) throws(InputError) -> JSONValue {
    try JSONValue(parsing: MappedFile.contents(of: path, limit: limit), source: path)
  }
}
