/// 16-bit floats by integer arithmetic, because the type Float16 does not exist on every platform.
///
/// Files are read and written value by value with these functions, so they must be inlined into
/// other modules. Without `@usableFromInline` on the type, its `package` functions would not be.
@usableFromInline
package enum HalfPrecision {
  /// The value of an IEEE 754 binary16, exactly.
  @inlinable
  package static func float(f16 bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff)
    if magnitude < 0x0400 {
      // Subnormal: a multiple of 2^-24.
      return Float(bitPattern: (Float(magnitude) * 0x1p-24).bitPattern | sign)
    }
    // An exponent of all ones (infinity, NaN) stays one; others move from bias 15 to 127.
    let rebias: UInt32 = magnitude < 0x7c00 ? 0x3800_0000 : 0x7000_0000
    return Float(bitPattern: ((magnitude << 13) + rebias) | sign)
  }

  /// The IEEE 754 binary16 nearest to `value`, half to even; beyond 65504 an infinity.
  @inlinable
  package static func f16(_ value: Float) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    let magnitude = value.bitPattern & 0x7fff_ffff
    let half: UInt32
    if magnitude > 0x7f80_0000 {
      half = 0x7e00
    } else if magnitude >= 0x477f_f000 {
      // 65520, halfway between the largest finite number and the next one, or more.
      half = 0x7c00
    } else if magnitude < 0x3880_0000 {
      // Below 2^-14, a multiple of 2^-24.
      half = UInt32((value.magnitude * 0x1p24).rounded(.toNearestOrEven))
    } else {
      let rounded = magnitude + 0x0fff + ((magnitude >> 13) & 1)
      half = (rounded - 0x3800_0000) >> 13
    }
    return sign | UInt16(truncatingIfNeeded: half)
  }

  /// The value of a bfloat16, exactly.
  @inlinable
  package static func float(bf16 bits: UInt16) -> Float {
    Float(bitPattern: UInt32(bits) << 16)
  }

  /// The bfloat16 nearest to `value`, half to even.
  @inlinable
  package static func bf16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    // Rounding could turn a NaN into an infinity.
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x0040 }
    return UInt16(truncatingIfNeeded: (bits + 0x7fff + ((bits >> 16) & 1)) >> 16)
  }
}
