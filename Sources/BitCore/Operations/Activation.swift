/// A function of one value, with its derivative.
public enum Activation: String, Sendable, Hashable, CaseIterable {
  /// max(x, 0).
  case relu
  /// max(x, 0)^2, of BitNet b1.58 2B4T (arXiv 2504.12285).
  case squaredReLU
  /// x * sigmoid(x) (Elfwing et al., arXiv 1702.03118).
  case silu
  /// x * Phi(x) with the normal distribution's Phi = (1 + erf(x / sqrt 2)) / 2
  /// (Hendrycks and Gimpel, arXiv 1606.08415).
  case gelu
  /// The form of GELU with tanh, x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
  case geluTanh

  /// The function of every value of a tensor of any shape.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    switch self {
    case .relu: x.mapVectors { $0.replacing(with: 0, where: $0 .<= 0) }
    case .squaredReLU: x.mapVectors { ($0 * $0).replacing(with: 0, where: $0 .<= 0) }
    case .silu: Self.silu(x)
    case .gelu: x.map { 0.5 * $0 * (1 + SystemMath.erf($0 * Self.inverseRoot2)) }
    case .geluTanh: x.map { 0.5 * $0 * (1 + SystemMath.tanh(Self.tanhArgument($0))) }
    }
  }

  /// The gradient of the input from that of the output: `upstream * f'(x)`.
  public func reverse(_ x: Tensor, upstream: Tensor) -> Tensor {
    switch self {
    case .relu:
      x.combinedVectors(with: upstream) { SIMD8.zero.replacing(with: $1, where: $0 .> 0) }
    case .squaredReLU:
      x.combinedVectors(with: upstream) {
        SIMD8.zero.replacing(with: 2 * $0 * $1, where: $0 .> 0)
      }
    case .silu: Self.siluReverse(x, upstream: upstream)
    case .gelu:
      x.combined(with: upstream) {
        let distribution = 0.5 * (1 + SystemMath.erf($0 * Self.inverseRoot2))
        let density = Self.inverseRoot2Pi * SystemMath.exp(-0.5 * $0 * $0)
        return $1 * (distribution + $0 * density)
      }
    case .geluTanh:
      x.combined(with: upstream) {
        let tanh = SystemMath.tanh(Self.tanhArgument($0))
        let slope = Self.root2OverPi * (1 + 3 * 0.044715 * $0 * $0)
        return $1 * 0.5 * (1 + tanh + $0 * (1 - tanh * tanh) * slope)
      }
    }
  }

  private static let inverseRoot2: Float = 0.70710678118654752
  private static let inverseRoot2Pi: Float = 0.39894228040143268
  private static let root2OverPi: Float = 0.79788456080286536

  /// As the gates of a language model compute it, with a factor of 1.
  private static func silu(_ x: Tensor) -> Tensor {
    let ones = Tensor(repeating: 1, shape: [min(x.count, RowSum.pieceLength)])
    return x.mapPieces { x, range, out in
      ones.withUnsafePointer { DecoderMath().silu(x, $0, range.count, out) }
    }
  }

  private static func siluReverse(_ x: Tensor, upstream: Tensor) -> Tensor {
    precondition(
      upstream.shape == x.shape, "a gradient of shape \(upstream.shape) for \(x.shape)")
    let row = ExponentialRow()
    return upstream.withUnsafePointer { upstream in
      x.mapPieces { x, range, out in
        Tensor.map(x, range.count, out) { -$0 }
        row.exponentials(out, range.count, shift: 0, out)
        Tensor.combine(x, out, range.count, out) { x, exponential in
          let sigmoid = 1 / (1 + exponential)
          return sigmoid * (1 + x * (1 - sigmoid))
        }
        Tensor.combine(out, upstream + range.lowerBound, range.count, out) { $0 * $1 }
      }
    }
  }

  private static func tanhArgument(_ x: Float) -> Float { root2OverPi * (x + 0.044715 * x * x * x) }
}
