import BitCore

/// Measures products, and the speed of plain reading and of byte products on the same machine.
struct Bench {
  /// More than the caches of any CPU that the kernels meet.
  private static let streamBytes = 256 << 20
  private static let peakRounds = 1 << 16

  let mode: BenchMode
  /// Bits of activations.
  let bits: Int
  private let peak = MachinePeak(bytes: Self.streamBytes)

  init(mode: BenchMode, bits: Int) {
    self.mode = mode
    self.bits = bits
  }

  /// Copies of one layer, enough to fill the memory that a mode asks for.
  struct Layers {
    let format: BenchFormat
    let shape: BenchShape
    fileprivate let copies: [CodeMatrix]

    /// The bytes of one layer's codes and scales.
    var weightBytes: Int { copies[0].byteCount }

    /// One product of float activations, with the next of the copies at each call.
    fileprivate func product(tokens: Int, bits: Int, pool: ThreadPool) -> () -> Void {
      var generator = SeededGenerator(seed: 1)
      let x = generator.normal([tokens, shape.columns])
      let quantizer = ActivationQuantizer(bits: bits)
      var next = 0
      return {
        let quantized = quantizer.quantize(x, kernels: .active, pool: pool)
        _ = copies[next].matmul(quantized, bias: nil, kernels: .active, pool: pool)
        next = next + 1 == copies.count ? 0 : next + 1
      }
    }
  }

  /// Layers of random codes.
  func layers(_ format: BenchFormat, _ shape: BenchShape) -> Layers {
    let first = format.matrix(shape)
    let count = mode == .stream ? Self.streamBytes / first.byteCount : 0
    return Layers(
      format: format, shape: shape, copies: [first] + (0..<count).map { _ in first.copy() })
  }

  /// Times a product in turn with plain reading and byte products, all on `threads` threads.
  func measure(_ layers: Layers, tokens: Int, threads: Int) -> BenchResult {
    let pool = ThreadPool(threads: threads)
    let readBytes = mode == .stream ? Self.streamBytes : layers.weightBytes
    let timings = Timing.inTurn([
      layers.product(tokens: tokens, bits: bits, pool: pool),
      { peak.read(readBytes, pool: pool) },
      { _ = peak.multiply(rounds: Self.peakRounds, pool: pool) },
    ])
    let peakOperations = Double(peak.multiply(rounds: Self.peakRounds, pool: pool))
    return BenchResult(
      format: layers.format, shape: layers.shape, tokens: tokens, threads: pool.threads,
      bits: bits, mode: mode, timing: timings[0], weightBytes: layers.weightBytes,
      limitGBps: Double(readBytes) / timings[1].median * 1e-3,
      limitGOPs: peakOperations / timings[2].median * 1e-3)
  }
}
