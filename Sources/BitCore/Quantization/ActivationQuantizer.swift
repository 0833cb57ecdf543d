import CBitKernels

/// Absmax quantization of activations to integers.
///
///     s = Q / max|x|,   q = clamp(round(x * s), -Q, Q),   Q = 2^(bits-1) - 1
///
/// with the maximum over the whole tensor or over each token (a row of the last axis), and rounding
/// half to even. A row with a NaN or an infinity does not count for the maximum and becomes NaN.
/// (BitNet, arXiv 2310.11453, section 2.1; BitNet b1.58, arXiv 2402.17764, section 2.)
public struct ActivationQuantizer: Sendable, Hashable {
  /// What shares a scale.
  public enum Granularity: String, Sendable, Hashable, CaseIterable {
    /// The whole tensor: the result of a token depends on the others in its batch.
    case tensor
    /// Each row of the last axis.
    case token
  }

  /// The range of the codes.
  public enum CodeRange: String, Sendable, Hashable {
    /// Q = 2^(bits-1) - 1, codes from -Q to Q, as in implementations.
    case symmetric
    /// Q = 2^(bits-1), codes from -Q to Q - 1: as printed in the BitNet paper.
    case full
  }

  /// The bits of a code, 2...16.
  public let bits: Int
  /// What shares a scale.
  public let granularity: Granularity
  /// The range of the codes.
  public let range: CodeRange
  /// The minimum of max|x| when a scale is computed; 0 for none. All-zero rows give zeros anyway.
  public let epsilon: Float

  /// A quantizer to `bits` (2...16) bits.
  public init(
    bits: Int = 8, granularity: Granularity = .token, range: CodeRange = .symmetric,
    epsilon: Float = 0
  ) {
    precondition((2...16).contains(bits), "activations take 2...16 bits, not \(bits)")
    precondition(epsilon >= 0 && epsilon.isFinite, "epsilon must be finite and not negative")
    self.bits = bits
    self.granularity = granularity
    self.range = range
    self.epsilon = epsilon
  }

  /// The level Q that the largest magnitude is mapped to.
  var topLevel: Int { range == .symmetric ? 1 << (bits - 1) - 1 : 1 << (bits - 1) }

  private var codeLimits: (low: Int32, high: Int32) {
    (Int32(-topLevel), Int32(range == .symmetric ? topLevel : topLevel - 1))
  }

  /// Quantizes a tensor of any shape.
  public func quantize(_ x: Tensor) -> QuantizedTensor {
    quantize(x, kernels: .active)
  }

  package func quantize(
    _ x: Tensor, kernels: KernelSet, pool: ThreadPool = .shared
  ) -> QuantizedTensor {
    let (rows, features) = (x.shape.rows, x.shape.features)
    let stride = bk_padded_columns(features)
    let narrow = bits <= 8 ? AlignedBuffer<Int8>(uninitialized: rows * stride) : nil
    let wide = bits <= 8 ? nil : AlignedBuffer<Int16>(uninitialized: rows * stride)
    let inverseScales = AlignedBuffer<Float>(uninitialized: rows)
    let sums = AlignedBuffer<Int32>(repeating: 0, count: rows)
    let grain = 1 + 8_192 / (features + 1)
    let limits = codeLimits
    let table = kernels.table.pointee

    let scales = [Float](unsafeUninitializedCapacity: rows) { scales, count in
      count = rows
      guard let scales = scales.baseAddress else { return }
      x.withUnsafePointer { x in
        // One scale for the whole tensor needs a pass over it first.
        let isShared = granularity == .tensor
        if isShared {
          pool.parallelFor(rows, grain: grain) { range in
            for row in range {
              scales[row] = table.absmax(x + row * features, features)
            }
          }
        }
        let maxima = UnsafeBufferPointer(start: scales, count: rows)
        let shared = isShared ? scale(of: maxima.lazy.filter(\.isFinite).max() ?? 0) : 1
        pool.parallelFor(rows, grain: grain) { range in
          for row in range {
            let source = x + row * features
            let maximum = isShared ? scales[row] : table.absmax(source, features)
            scales[row] = !maximum.isFinite ? .nan : isShared ? shared : scale(of: maximum)
            inverseScales.pointer[row] = 1 / scales[row]
            // A row that is not finite has no codes: all of it is padding, which is zeros.
            let count = scales[row].isNaN ? 0 : features
            if let q = narrow.map({ $0.pointer + row * stride }) {
              (q + count).initialize(repeating: 0, count: stride - count)
              sums.pointer[row] = table.quantize8(
                source, count, scales[row], limits.low, limits.high, q)
            } else if let q = wide.map({ $0.pointer + row * stride }) {
              (q + count).initialize(repeating: 0, count: stride - count)
              bk_quantize16(source, count, scales[row], limits.low, limits.high, q)
            }
          }
        }
      }
    }
    return QuantizedTensor(
      shape: x.shape, bits: bits, scales: scales, stride: stride, narrow: narrow, wide: wide,
      sums: sums, inverseScales: inverseScales)
  }

  /// The scale of values up to a finite maximum in magnitude.
  private func scale(of maximum: Float) -> Float {
    let magnitude = max(maximum, epsilon)
    // All zeros: any scale gives zeros.
    guard magnitude > 0 else { return 1 }
    // The reciprocal first, for the bits of PyTorch's Q / max. Below about 4e-37 the product would
    // overflow; coarser codes are better than an infinity.
    return min(1 / magnitude * Float(topLevel), .greatestFiniteMagnitude)
  }
}

extension ActivationQuantizer: CustomStringConvertible {
  /// Bits, granularity and what is unusual, in one line.
  public var description: String {
    "\(bits) bits per \(granularity.rawValue)" + (range == .full ? ", full range" : "")
      + (epsilon > 0 ? ", epsilon \(epsilon)" : "")
  }
}
