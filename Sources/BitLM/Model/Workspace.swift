import BitCore
import BitFormats

/// Memory for one batch on its way through the layers.
struct Workspace {
  /// The rows of the batch.
  let rows: Int
  /// How inputs of coded layers are rounded.
  let mode: ActivationMode
  /// The hidden states, `[rows, hidden]`.
  let hidden: UnsafeMutablePointer<Float>
  /// What is normalized, or added next, `[rows, hidden]`.
  let normalized: UnsafeMutablePointer<Float>
  let added: UnsafeMutablePointer<Float>
  /// `[rows, heads * length]`
  let queries: UnsafeMutablePointer<Float>
  let heads: UnsafeMutablePointer<Float>
  /// `[rows, key-value heads * length]`
  let keys: UnsafeMutablePointer<Float>
  let values: UnsafeMutablePointer<Float>
  /// `[rows, intermediate]`
  let gated: UnsafeMutablePointer<Float>
  let upper: UnsafeMutablePointer<Float>
  private let memory: AlignedBuffer<Float>

  /// Memory for `rows` rows of a model.
  init(_ configuration: DecoderConfiguration, rows: Int, mode: ActivationMode) {
    let hidden = configuration.hiddenSize
    let queries = configuration.headCount * configuration.headLength
    let keys = configuration.keyValueHeadCount * configuration.headLength
    let inner = configuration.intermediateSize
    // Each part begins on a cache line.
    let sizes = [hidden, hidden, hidden, queries, queries, keys, keys, inner, inner]
      .map { (rows * $0 + 15) / 16 * 16 }
    let memory = AlignedBuffer<Float>(uninitialized: sizes.reduce(0, +))
    var starts: [UnsafeMutablePointer<Float>] = []
    var next = memory.pointer
    for size in sizes {
      starts.append(next)
      next += size
    }
    (self.rows, self.mode, self.memory) = (rows, mode, memory)
    (self.hidden, normalized, added) = (starts[0], starts[1], starts[2])
    (self.queries, heads, self.keys, values) = (starts[3], starts[4], starts[5], starts[6])
    (gated, upper) = (starts[7], starts[8])
  }

  /// Keeps the memory alive while `body` uses the pointers.
  func withMemory<R, E: Error>(_ body: (Workspace) throws(E) -> R) throws(E) -> R {
    defer { withExtendedLifetime(memory) {} }
    return try body(self)
  }
}
