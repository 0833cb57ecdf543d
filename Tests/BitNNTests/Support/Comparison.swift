import BitCore
import BitFormats
import Foundation
import Testing

@testable import BitNN

/// What is wrong with `actual`, or nil if each value is within
/// `absolute + relative * |expected|` of the one expected.
func difference(
  _ actual: Tensor?, _ expected: GoldenTensor, absolute: Double, relative: Double = 0
) -> String? {
  guard let actual, actual.shape.extents == expected.shape else {
    return "shape \(actual?.shape.description ?? "none"), expected \(expected.shape)"
  }
  for (i, (a, e)) in zip(actual.scalars, expected.data).enumerated() {
    // Written so that a NaN on either side is a difference.
    guard abs(Double(a) - e) <= absolute + relative * abs(e) else {
      return "value \(i) is \(a), expected \(e)"
    }
  }
  return nil
}

/// Whether shapes and the bits of all values are equal, so that a NaN equals itself.
func sameBits(_ a: Tensor, _ b: Tensor) -> Bool {
  a.shape == b.shape && a.scalars.map(\.bitPattern) == b.scalars.map(\.bitPattern)
}

/// Whether two models have the same parameters: names, shapes and bits.
func sameParameters<M: Module, N: Module>(_ a: M, _ b: N) -> Bool {
  let (a, b) = (a.parameters(), b.parameters())
  return a.map(\.name) == b.map(\.name) && zip(a, b).allSatisfy { sameBits($0.value, $1.value) }
}

/// Calls `body` with the path of a new folder, which is removed afterwards.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = try TemporaryFolder()
  return try withExtendedLifetime(folder) { try body(folder.path) }
}

func bytes(ofFile path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// The error that `body` throws must be an ``InputError`` of the given kind, in one line that has
/// all of `parts`.
func expectError(
  _ kind: InputError.Kind, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  let error = #expect(throws: InputError.self, sourceLocation: sourceLocation) { try body() }
  guard let error else { return }
  #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
  #expect(!error.description.contains("\n"), sourceLocation: sourceLocation)
  for part in parts {
    #expect(
      error.description.contains(part), "\(error) has no \(part)", sourceLocation: sourceLocation)
  }
}

extension Module {
  /// Gives parameters new values by name; there must be a parameter for each.
  mutating func setParameters(_ values: [String: Tensor]) {
    var rest = values
    updateParameters { name, value, _ in
      guard let new = rest.removeValue(forKey: name) else { return }
      precondition(new.shape == value.shape, "\(name) is \(value.shape), not \(new.shape)")
      value = new
    }
    precondition(rest.isEmpty, "no parameters \(rest.keys)")
  }

  /// The gradients by name; zero gradients and absent ones are left out.
  func gradients(_ gradient: TangentVector) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    forEachGradient(gradient) { name, gradient in
      if !gradient.isZeroElement { result[name] = gradient }
    }
    return result
  }
}

/// Numbers from a seed, of the normal distribution.
func random(_ shape: Shape, seed: UInt64 = 1, scale: Float = 1) -> Tensor {
  var generator = SeededGenerator(seed: seed)
  return generator.normal(shape, standardDeviation: scale)
}

/// The process of an exit test must have said `text` on its standard error; an optimized one only
/// does where the program ends with `fatalError`.
func expectMessage(
  _ result: ExitTest.Result?, _ text: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  #if DEBUG
    let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(said.contains(text), "\(said) has no \(text)", sourceLocation: sourceLocation)
  #endif
}
