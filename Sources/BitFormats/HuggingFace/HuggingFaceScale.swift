import BitCore
import BitFiles

/// A `weight_scale` as a Hugging Face checkpoint stores it.
///
/// Checkpoints store either the factor of the codes or its reciprocal; see
/// ``HuggingFaceQuantization/LinearClass``. This keeps the number that is stored, so that writing
/// it gives the bytes that were read: the reciprocal of a reciprocal is often another float.
package struct HuggingFaceScale: Sendable, Hashable {
  /// What the stored number does.
  package enum Convention: Sendable, Hashable {
    /// It is the factor of the codes.
    case multiplies
    /// Its reciprocal is the factor of the codes.
    case divides
  }

  /// The number in the file: finite and positive.
  package let stored: Float
  /// What the stored number does.
  package let convention: Convention
  /// F32, F16 or BF16, which holds ``stored`` exactly.
  package let dtype: DType
  /// `[1]` or, for a scalar, none.
  package let shape: [Int]

  /// The factor of the codes: ``stored``, or 1 / ``stored`` in float32.
  package var multiplier: Float { convention == .multiplies ? stored : 1 / stored }

  private static let expected = "F32, F16 or BF16 of shape [1] or []"

  /// Reads a scale from a file.
  ///
  /// - Throws: `InputError` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.mismatch` for another type or shape, `.malformed` for a scale that is not finite, is not
  ///   positive, or has no finite reciprocal where that is the factor.
  package init(
    _ name: String, from file: SafetensorsFile, convention: Convention
  ) throws(InputError) {
    let entry = try file.info(of: name)
    let source = file.source(of: entry)
    guard [.f32, .f16, .bf16].contains(entry.dtype), entry.shape == [1] || entry.shape == [] else {
      throw InputError(
        .mismatch, source: source, found: "\(entry.dtype) \(ErrorText.list(entry.shape))",
        expected: Self.expected)
    }
    stored = try file.tensor(name).scalars[0]
    self.convention = convention
    dtype = entry.dtype
    shape = entry.shape
    try check(source: source)
  }

  /// A scale whose ``multiplier`` is the given one, exactly.
  ///
  /// Of all floats only 83 % are the reciprocal of a float, and 16 bits hold few floats, so this
  /// can fail; `rounding` takes the nearest that there is instead.
  ///
  /// - Parameters:
  ///   - multiplier: the factor of the codes.
  ///   - convention: what the stored number is to do.
  ///   - dtype: F32, F16 or BF16.
  ///   - rounding: whether ``multiplier`` may come out as the nearest one instead.
  ///   - source: the name for errors.
  /// - Throws: `InputError`: `.malformed` for a multiplier that is not finite and positive,
  ///   `.unsupported` if it cannot be stored, `.mismatch` for another type.
  package init(
    multiplier: Float, convention: Convention, dtype: DType = .f32, rounding: Bool = false,
    source: String = "weight_scale"
  ) throws(InputError) {
    self.convention = convention
    self.dtype = dtype
    shape = [1]
    let wanted = convention == .multiplies ? multiplier : 1 / multiplier
    // The factor of a neighbour may be nearer than that of the rounded reciprocal.
    let candidates: [Float]
    switch dtype {
    case .f32: candidates = [wanted, wanted.nextDown, wanted.nextUp]
    case .f16:
      candidates = Self.neighbours(HalfPrecision.f16(wanted)).map(HalfPrecision.float(f16:))
    case .bf16:
      candidates = Self.neighbours(HalfPrecision.bf16(wanted)).map(HalfPrecision.float(bf16:))
    default:
      throw InputError(
        .mismatch, source: source, found: dtype.rawValue, expected: Self.expected)
    }
    func error(_ stored: Float) -> Float {
      let result = convention == .multiplies ? stored : 1 / stored
      let error = (result - multiplier).magnitude
      return error.isNaN ? .infinity : error
    }
    let first = candidates[0]
    // Beyond the range of the type there is no near one.
    let isInRange = first.isFinite && first > 0
    stored =
      isInRange ? candidates.dropFirst().reduce(first) { error($1) < error($0) ? $1 : $0 } : first
    guard multiplier.isFinite, multiplier > 0 else {
      throw InputError(
        .malformed, source: source, found: "a scale of \(multiplier)",
        expected: "a finite number above 0")
    }
    try check(source: source)
    guard rounding || self.multiplier == multiplier else {
      let kind = convention == .multiplies ? "factor" : "divisor"
      throw InputError(
        .unsupported, source: source,
        found: "a scale of \(multiplier), which no \(dtype) \(kind) gives exactly",
        expected: "a scale that one does, as an F32 factor always does")
    }
  }

  private static func neighbours(_ bits: UInt16) -> [UInt16] { [bits, bits &- 1, bits &+ 1] }

  private func check(source: String) throws(InputError) {
    guard stored.isFinite, stored > 0, multiplier.isFinite, multiplier > 0 else {
      throw InputError(
        .malformed, source: source, found: "a scale of \(stored)",
        expected: convention == .multiplies
          ? "a finite number above 0" : "a finite number above 0 with a finite reciprocal")
    }
  }

  /// The tensor for a file: the bytes that were read, if this was read.
  package func entry(_ name: String) -> SafetensorsEntry {
    SafetensorsEntry(name, Tensor([stored], shape: Shape(shape)), dtype: dtype)
  }
}
