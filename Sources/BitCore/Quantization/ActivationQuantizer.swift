import CBitKernels

/// Absmax quantization of activations to integers.
///
///     s = Q / max|x|,   q = clamp(round(x * s), -Q, Q),   Q = 2^(bits-1) - 1
///
/// with the maximum over the whole tensor, over each token (a row of the last axis) or over each
/// block of columns of a token, and rounding half to even. A row with a NaN or an infinity does not
/// count for the maximum and becomes NaN.
/// (BitNet, arXiv 2310.11453, section 2.1; BitNet b1.58, arXiv 2402.17764, section 2.)
public struct ActivationQuantizer: Sendable, Hashable {
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

  /// A quantizer to `bits` (2...16) bits. Blocks have 32, 64, 128 or 256 columns.
  public init(
    bits: Int = 8, granularity: Granularity = .token, range: CodeRange = .symmetric,
    epsilon: Float = 0
  ) {
    precondition((2...16).contains(bits), "activations take 2...16 bits, not \(bits)")
    precondition(
      granularity.blockColumns.map(Granularity.blockLengths.contains) ?? true,
      "blocks of activations have 32, 64, 128 or 256 columns, not \(granularity.blockColumns ?? 0)")
    precondition(epsilon >= 0 && epsilon.isFinite, "epsilon must be finite and not negative")
    self.bits = bits
    self.granularity = granularity
    self.range = range
    self.epsilon = epsilon
  }

  /// The level Q that the largest magnitude is mapped to.
  var topLevel: Int { range == .symmetric ? 1 << (bits - 1) - 1 : 1 << (bits - 1) }

  /// The least and the greatest code.
  var codeLimits: (low: Int32, high: Int32) {
    (Int32(-topLevel), Int32(range == .symmetric ? topLevel : topLevel - 1))
  }

  /// Quantizes a tensor of any shape.
  public func quantize(_ x: Tensor) -> QuantizedTensor {
    quantize(x, kernels: .active)
  }

  package func quantize(
    _ x: Tensor, kernels: KernelSet, pool: ThreadPool = .shared
  ) -> QuantizedTensor {
    let result = QuantizedTensor(
      uninitialized: x.shape, bits: bits, blockColumns: granularity.blockColumns)
    let layout = result.layout
    let (rows, grain) = (layout.rows, 1 + 8_192 / (layout.columns + 1))
    x.withUnsafePointer { x in
      let work = RowQuantizer(quantizer: self, kernels: kernels.table, x: x, result: result)
      // One scale for the whole tensor needs a pass over it first.
      let isShared = granularity == .tensor
      if isShared {
        pool.parallelFor(rows, grain: grain) { $0.forEach(work.findMaxima) }
      }
      let maxima = UnsafeBufferPointer(start: work.scales, count: layout.count)
      let shared = isShared ? scale(of: maxima.lazy.filter(\.isFinite).max() ?? 0) : nil
      pool.parallelFor(rows, grain: grain) { range in
        for row in range {
          if !isShared { work.findMaxima(row) }
          let isFinite = work.setScales(row, shared)
          if let q = result.narrow {
            result.sums[row] = work.writeCodes(row, isFinite, to: q)
          } else if let q = result.wide {
            work.writeCodes(row, isFinite, to: q)
          }
        }
      }
    }
    return result
  }

  /// The scale of values up to a finite maximum in magnitude.
  func scale(of maximum: Float) -> Float {
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
    "\(bits) bits per \(granularity)" + (range == .full ? ", full range" : "")
      + (epsilon > 0 ? ", epsilon \(epsilon)" : "")
  }
}
