/// Something from outside the program - a file, an argument, a value of another language - that
/// cannot be used.
///
/// It prints as one line that names the source, what was found and what was expected:
///
///     train-images-idx3-ubyte: found magic number 0x00000801, expected 0x00000803
public struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What kind of trouble it is, for programs that react to it.
  public enum Kind: Sendable {
    /// The source does not exist.
    case missing
    /// The source cannot be read or written: permissions, a full disk, a broken device.
    case inputOutput
    /// The content breaks the rules of its format.
    case malformed
    /// The content is sound but does not fit what it is used with.
    case mismatch
    /// The content is sound but uses something that this library does not have.
    case unsupported
    /// A computation gave NaN or an infinity.
    case notFinite
  }

  /// What kind of trouble it is.
  public let kind: Kind
  /// The file, option or tensor that is at fault.
  public let source: String
  /// What was found there.
  public let found: String
  /// What would have been right.
  public let expected: String

  /// An error that reads "`source`: found `found`, expected `expected`".
  public init(_ kind: Kind, source: String, found: String, expected: String) {
    self.kind = kind
    self.source = source
    self.found = found
    self.expected = expected
  }

  /// The same error seen from the thing that contains its source: with the source
  /// "`outer`, `source`".
  public func inside(_ outer: String) -> InputError {
    InputError(kind, source: "\(outer), \(source)", found: found, expected: expected)
  }

  /// One line for a person.
  public var description: String { "\(source): found \(found), expected \(expected)" }
}
