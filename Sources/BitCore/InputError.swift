/// An error in something from outside the program: a file, an argument, the network, a value passed
/// from another language.
///
/// It prints as one line that names its source, what was found and what was expected:
///
///     train-images-idx3-ubyte: found magic number 0x00000801, expected 0x00000803
public struct InputError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The kind of error, for programs that react to it.
  public enum Kind: Sendable {
    /// The source does not exist.
    case missing
    /// The source cannot be read or written: permissions, a full disk, a broken device.
    case inputOutput
    /// The content violates its format.
    case malformed
    /// The content is valid but does not fit what it is used with.
    case mismatch
    /// The content is valid but uses something that this library does not support.
    case unsupported
    /// A computation gave NaN or an infinity.
    case notFinite
  }

  /// The kind of error.
  public let kind: Kind
  /// The file, option or tensor with the error.
  public let source: String
  /// What was found there.
  public let found: String
  /// What is valid there.
  public let expected: String

  /// An error that reads "`source`: found `found`, expected `expected`".
  public init(_ kind: Kind, source: String, found: String, expected: String) {
    self.kind = kind
    self.source = source
    self.found = found
    self.expected = expected
  }

  /// The same error, named by what contains its source as well: "`outer`, `source`".
  public func inside(_ outer: String) -> InputError {
    InputError(kind, source: "\(outer), \(source)", found: found, expected: expected)
  }

  /// The error in one line.
  public var description: String { "\(source): found \(found), expected \(expected)" }
}
