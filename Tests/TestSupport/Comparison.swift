import BitCore
import BitFormats
import BitNN
import Foundation
import Testing

/// Whether shapes and the bits of all values are equal, so that a NaN equals itself.
package func sameBits(_ a: Tensor, _ b: Tensor) -> Bool {
  a.shape == b.shape && a.scalars.map(\.bitPattern) == b.scalars.map(\.bitPattern)
}

/// Whether two models have the same parameters: names, shapes and bits.
package func sameParameters<M: Module, N: Module>(_ a: M, _ b: N) -> Bool {
  let (a, b) = (a.parameters(), b.parameters())
  return a.map(\.name) == b.map(\.name) && zip(a, b).allSatisfy { sameBits($0.value, $1.value) }
}

/// Calls `body` with the path of a new folder, which is removed afterwards.
package func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = try TemporaryFolder()
  return try withExtendedLifetime(folder) { try body(folder.path) }
}

package func bytes(ofFile path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// The error that `body` throws must be an ``InputError`` of the given kind, in one line that has
/// all of `parts`.
package func expectError(
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
  package mutating func setParameters(_ values: [String: Tensor]) {
    var rest = values
    updateParameters { name, value, _ in
      guard let new = rest.removeValue(forKey: name) else { return }
      precondition(new.shape == value.shape, "\(name) is \(value.shape), not \(new.shape)")
      value = new
    }
    precondition(rest.isEmpty, "no parameters \(rest.keys)")
  }

  /// The gradients by name; zero gradients and absent ones are left out.
  package func namedGradients(_ gradient: TangentVector) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    forEachGradient(gradient) { name, gradient in
      if !gradient.isZeroElement { result[name] = gradient }
    }
    return result
  }
}

/// Numbers from a seed, of the normal distribution.
package func random(_ shape: Shape, seed: UInt64 = 1, scale: Float = 1) -> Tensor {
  var generator = SeededGenerator(seed: seed)
  return generator.normal(shape, standardDeviation: scale)
}

/// The process of an exit test must have said `text` on its standard error; an optimized one only
/// does where the program ends with `fatalError`.
package func expectMessage(
  _ result: ExitTest.Result?, _ text: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  #if DEBUG
    let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(said.contains(text), "\(said) has no \(text)", sourceLocation: sourceLocation)
  #endif
}
