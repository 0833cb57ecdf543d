/// Sums along a row of values: sixteen running sums, which are then added in a fixed tree.
enum RowSum {
  /// The number of values after which sums of a long row go on in Double, so as to lose no digits.
  static let pieceLength = 4096

  /// The sum of the values.
  static func sum(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    sum(x, count) { $0 }
  }

  /// The sum of `term` of the values.
  @inline(__always)
  static func sum(
    _ x: UnsafePointer<Float>, _ count: Int, _ term: (SIMD8<Float>) -> SIMD8<Float>
  ) -> Float {
    sum(count, { term(SIMD8(loading: x + $0)) }, { term(SIMD8(repeating: x[$0]))[0] })
  }

  /// The sum of a[i] * b[i].
  static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
    sum(count, { SIMD8(loading: a + $0) * SIMD8(loading: b + $0) }, { a[$0] * b[$0] })
  }

  @inline(__always)
  private static func sum(
    _ count: Int, _ eight: (Int) -> SIMD8<Float>, _ one: (Int) -> Float
  ) -> Float {
    var even = SIMD8<Float>.zero
    var odd = SIMD8<Float>.zero
    var i = 0
    while i + 16 <= count {
      even += eight(i)
      odd += eight(i + 8)
      i += 16
    }
    let lanes = even + odd
    let four = lanes.lowHalf + lanes.highHalf
    var total = (four[0] + four[2]) + (four[1] + four[3])
    while i < count {
      total += one(i)
      i += 1
    }
    return total
  }
}
