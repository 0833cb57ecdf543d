import BitCore
import CBitLinear

/// The reason why a call fails.
enum Failure: Error {
  /// An invalid argument, in words.
  case argument(String)
  /// Parts that do not fit each other, or an error in a file.
  case input(InputError)

  /// An argument, what was found and what is valid.
  static func argument(_ name: String, _ found: some CustomStringConvertible, _ expected: String)
    -> Failure
  {
    .argument("\(name): found \(found), expected \(expected)")
  }

  /// Two parts that do not fit each other.
  static func mismatch(_ name: String, _ found: String, _ expected: String) -> Failure {
    .input(InputError(.mismatch, source: name, found: found, expected: expected))
  }

  var status: Int32 {
    switch self {
    case .argument: Int32(BITLINEAR_INVALID_ARGUMENT)
    case .input(let error):
      switch error.kind {
      case .mismatch: Int32(BITLINEAR_MISMATCH)
      case .malformed: Int32(BITLINEAR_MALFORMED)
      case .missing: Int32(BITLINEAR_MISSING)
      case .unsupported: Int32(BITLINEAR_UNSUPPORTED)
      case .notFinite: Int32(BITLINEAR_NOT_FINITE)
      case .inputOutput: Int32(BITLINEAR_INPUT_OUTPUT)
      }
    }
  }

  var text: String {
    switch self {
    case .argument(let text): text
    case .input(let error): error.description
    }
  }
}

/// An invalid environment variable makes every call fail, instead of ending the process.
private let environment = Result { () throws(InputError) in try CPU.checkEnvironment() }

/// Runs the body of a function of the interface and turns its error into the status and the text of
/// the last error.
func status(_ body: () throws(Failure) -> Void) -> Int32 {
  do throws(Failure) {
    try input { () throws(InputError) in try environment.get() }
    try body()
    return Int32(BITLINEAR_OK)
  } catch {
    bl_set_error(error.text)
    return error.status
  }
}

/// Runs a body that throws the package's own errors.
func input<R>(_ body: () throws(InputError) -> R) throws(Failure) -> R {
  do throws(InputError) { return try body() } catch { throw .input(error) }
}

/// The argument; fails for null.
func required<T>(_ argument: T?, _ name: String) throws(Failure) -> T {
  guard let argument else { throw .argument("\(name): found a null pointer, expected memory") }
  return argument
}
