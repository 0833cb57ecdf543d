import BitCore
import BitFiles

/// The element types of safetensors 0.8, by their names in the file.
///
/// They are in the order that the reference writer sorts by, which is the order of their widths.
public enum DType: String, Sendable, CaseIterable, Comparable, CustomStringConvertible {
  /// A truth value in a byte.
  case bool = "BOOL"
  /// Two 4-bit floats (E2M1) in a byte.
  case f4 = "F4"
  /// A 6-bit float with 2 bits of exponent.
  case f6E2M3 = "F6_E2M3"
  /// A 6-bit float with 3 bits of exponent.
  case f6E3M2 = "F6_E3M2"
  /// An unsigned integer of 8 bits.
  case u8 = "U8"
  /// A signed integer of 8 bits.
  case i8 = "I8"
  /// An 8-bit float with 5 bits of exponent.
  case f8E5M2 = "F8_E5M2"
  /// An 8-bit float with 4 bits of exponent and no infinities.
  case f8E4M3 = "F8_E4M3"
  /// A power of two in 8 bits.
  case f8E8M0 = "F8_E8M0"
  /// An 8-bit float with 4 bits of exponent, no infinities and no negative zero.
  case f8E4M3FNUZ = "F8_E4M3FNUZ"
  /// An 8-bit float with 5 bits of exponent, no infinities and no negative zero.
  case f8E5M2FNUZ = "F8_E5M2FNUZ"
  /// A signed integer of 16 bits.
  case i16 = "I16"
  /// An unsigned integer of 16 bits.
  case u16 = "U16"
  /// An IEEE 754 float of 16 bits.
  case f16 = "F16"
  /// The upper half of a float32.
  case bf16 = "BF16"
  /// A signed integer of 32 bits.
  case i32 = "I32"
  /// An unsigned integer of 32 bits.
  case u32 = "U32"
  /// An IEEE 754 float of 32 bits.
  case f32 = "F32"
  /// A complex number of two float32.
  case c64 = "C64"
  /// An IEEE 754 float of 64 bits.
  case f64 = "F64"
  /// A signed integer of 64 bits.
  case i64 = "I64"
  /// An unsigned integer of 64 bits.
  case u64 = "U64"

  /// The width of one element in bits.
  public var bitsPerElement: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// Whether `a` comes before `b` in the order of the cases.
  public static func < (a: DType, b: DType) -> Bool { a.rank < b.rank }

  /// The types by name: a look-up in a table instead of a comparison with every name.
  static let named = Dictionary(uniqueKeysWithValues: allCases.map { (ByteKey($0.rawValue), $0) })

  private static let ranks = Dictionary(
    uniqueKeysWithValues: allCases.enumerated().map { ($1, $0) })

  private var rank: Int { Self.ranks[self] ?? 0 }

  /// The name in the file, such as "BF16".
  public var description: String { rawValue }

  /// The number of bytes of a tensor.
  ///
  /// - Throws: ``InputError`` of kind `.malformed` if an extent is negative, if the number does
  ///   not fit into an Int, or if the elements do not fill whole bytes.
  package func byteCount(
    of shape: [Int], source: @autoclosure () -> String
  ) throws(InputError) -> Int {
    func product(_ a: Int, _ b: Int) throws(InputError) -> Int {
      let (product, overflows) = a.multipliedReportingOverflow(by: b)
      if overflows || b < 0 {
        throw InputError(
          .malformed, source: source(), found: "\(self) of shape \(ErrorText.list(shape))",
          expected: "extents whose product fits")
      }
      return product
    }
    var count = 1
    for extent in shape { count = try product(count, extent) }
    let bits = try product(count, bitsPerElement)
    guard bits.isMultiple(of: 8) else {
      throw InputError(
        .malformed, source: source(),
        found: "\(self) of shape \(ErrorText.list(shape)), \(bits) bits",
        expected: "whole bytes")
    }
    return bits / 8
  }
}
