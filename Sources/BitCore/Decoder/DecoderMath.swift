import CBitKernels

/// What a decoder computes for single rows around its linear layers; the formulas and the order of
/// operations are those of `bitdecoder.h`, with the same bits on every CPU.
package struct DecoderMath: Sendable {
  private let kernels: KernelSet

  /// The functions of an instruction set.
  package init(kernels: KernelSet = .active) { self.kernels = kernels }

  private var table: bk_decoder_kernels { kernels.table.pointee.decoder.pointee }

  /// `y = x / sqrt(mean(x^2) + epsilon) * weight`; `y` may be `x`.
  package func rmsNorm(
    _ x: UnsafePointer<Float>, _ count: Int, epsilon: Float, weight: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>
  ) {
    table.rms_norm(x, count, epsilon, weight, y)
  }

  /// Turns the pairs of a head, which are halves apart or, if interleaved, neighbours; the result
  /// has them halves apart. `y` may be `x` unless interleaved.
  package func rotate(
    _ x: UnsafePointer<Float>, length: Int, cosines: UnsafeBufferPointer<Float>,
    sines: UnsafePointer<Float>, isInterleaved: Bool, _ y: UnsafeMutablePointer<Float>
  ) {
    guard let base = cosines.baseAddress else { return }
    table.rotate(x, length, cosines.count, base, sines, isInterleaved ? 1 : 0, y)
  }

  /// `out = silu(gate) * up`; `out` may be `gate`.
  package func silu(
    _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int,
    _ out: UnsafeMutablePointer<Float>
  ) {
    table.gate.0!(gate, up, count, out)
  }

  /// `out = max(gate, 0)^2 * up`; `out` may be `gate`.
  package func squaredReLU(
    _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int,
    _ out: UnsafeMutablePointer<Float>
  ) {
    table.gate.1!(gate, up, count, out)
  }

  /// `x += y`
  package func add(_ y: UnsafePointer<Float>, _ count: Int, to x: UnsafeMutablePointer<Float>) {
    table.add(x, y, count)
  }

  /// The logarithm of the sum of `exp(x)`, in double but for the exponentials.
  package func logSumExp(_ x: UnsafeBufferPointer<Float>) -> Double {
    guard let base = x.baseAddress else { return -.infinity }
    let maximum = table.maximum(base, x.count)
    guard maximum.isFinite else { return Double(maximum) }
    // Float sums of a whole vocabulary would lose digits.
    let pieceLength = 4096
    let sum = stride(from: 0, to: x.count, by: pieceLength).reduce(0.0) { sum, first in
      sum
        + Double(table.exponentials(base + first, min(pieceLength, x.count - first), maximum, nil))
    }
    return Double(maximum) + PortableMath.log(sum)
  }

  /// Stores the key and the value of one head at a position of a cache.
  package func store(
    key: UnsafePointer<Float>, value: UnsafePointer<Float>, head: Int, position: Int,
    in cache: KeyValueCache
  ) {
    let chunk = cache.chunk(position / KeyValueCache.chunkPositions, head: head)
    withUnsafePointer(to: chunk) {
      table.store($0, position % KeyValueCache.chunkPositions, key, value)
    }
  }
}
