/// The function of the gate in a gated feed-forward layer, `down(f(gate(x)) * up(x))`.
public enum GateActivation: String, Sendable, Hashable, CaseIterable {
  /// x * sigmoid(x) (Shazeer, arXiv 2002.05202).
  case silu
  /// max(x, 0)^2, as in BitNet b1.58 2B4T (arXiv 2504.12285).
  case squaredReLU

  /// The product `f(gate) * up` of two tensors of one shape, with the arithmetic with which language
  /// models run.
  public func callAsFunction(_ gate: Tensor, _ up: Tensor) -> Tensor {
    check(gate, up)
    let math = DecoderMath()
    return Tensor.build(gate.shape) { out in
      ThreadPool.shared.parallelFor(gate.count, grain: Tensor.parallelGrain) { range in
        let (first, count) = (range.lowerBound, range.count)
        switch self {
        case .silu: math.silu(gate.pointer + first, up.pointer + first, count, out + first)
        case .squaredReLU:
          math.squaredReLU(gate.pointer + first, up.pointer + first, count, out + first)
        }
      }
      withExtendedLifetime((gate, up)) {}
    }
  }

  /// The gradients of both factors: `upstream * f'(gate) * up` and `upstream * f(gate)`.
  public func reverse(
    _ gate: Tensor, _ up: Tensor, upstream: Tensor
  ) -> (gate: Tensor, up: Tensor) {
    check(gate, up)
    check(gate, upstream)
    var upGradient = Tensor(uninitialized: gate.shape)
    let gateGradient = Tensor.build(gate.shape) { gateOut in
      upGradient.withUnsafeMutablePointer { upOut in
        ThreadPool.shared.parallelFor(gate.count, grain: Tensor.parallelGrain) { range in
          for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.piece) {
            reverse(
              gate.pointer + first, up.pointer + first, upstream.pointer + first,
              min(Self.piece, range.upperBound - first), gateOut + first, upOut + first)
          }
        }
      }
    }
    withExtendedLifetime((gate, up, upstream)) {}
    return (gateGradient, upGradient)
  }

  /// Values that are worked on at a time: those of all tensors fit the first cache.
  private static let piece = 1024

  private func reverse(
    _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ upstream: UnsafePointer<Float>,
    _ count: Int, _ gateOut: UnsafeMutablePointer<Float>, _ upOut: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .silu:
      for i in 0..<count { gateOut[i] = -gate[i] }
      ExponentialRow().exponentials(gateOut, count, shift: 0, gateOut)
      for i in 0..<count {
        let sigmoid = 1 / (1 + gateOut[i])
        upOut[i] = upstream[i] * gate[i] * sigmoid
        gateOut[i] = upstream[i] * up[i] * sigmoid * (1 + gate[i] * (1 - sigmoid))
      }
    case .squaredReLU:
      for i in 0..<count {
        let positive = gate[i] > 0 ? gate[i] : 0
        upOut[i] = upstream[i] * positive * positive
        gateOut[i] = 2 * upstream[i] * up[i] * positive
      }
    }
  }

  private func check(_ a: Tensor, _ b: Tensor) {
    precondition(a.shape == b.shape, "tensors of shapes \(a.shape) and \(b.shape) do not fit")
  }
}
