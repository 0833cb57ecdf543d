extension PortableMath {
  // Half of pi in three parts. The first two end in so many zero bits that their products with an
  // integer below 2^20 are exact.
  private static let halfPi = (0x1.921fb544p0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69)

  /// The sine and the cosine of an angle of at most 2^20 in magnitude, with an error below 2^-50:
  /// enough for floats, which then are rounded as the exact values would be but for one in millions.
  ///
  /// x = k pi / 2 + r with an integer k and |r| <= pi / 4; of r by the Taylor polynomials of degree
  /// 19 and 18, and of x by the quadrant.
  package static func sineAndCosine(_ x: Double) -> (sine: Double, cosine: Double) {
    precondition(x.magnitude <= 0x1p20, "the angle \(x) is too large")
    // Adding 1.5 * 2^52 leaves no bits for a fraction: it rounds to the nearest integer.
    let k = (x * 0x1.45f306dc9c883p-1 + 0x1.8p52) - 0x1.8p52
    let r = ((x - k * halfPi.0) - k * halfPi.1) - k * halfPi.2
    let z = r * r
    var (sine, cosine) = (0.0, 0.0)
    for n in stride(from: 18.0, through: 2, by: -2) {
      sine = (1 - sine) * z / (n * (n + 1))
      cosine = (1 - cosine) * z / (n * (n - 1))
    }
    (sine, cosine) = (r * (1 - sine), 1 - cosine)
    switch Int(k) & 3 {
    case 0: return (sine, cosine)
    case 1: return (cosine, -sine)
    case 2: return (-sine, -cosine)
    default: return (-cosine, sine)
    }
  }
}
