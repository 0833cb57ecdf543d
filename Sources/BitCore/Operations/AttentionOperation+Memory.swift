extension AttentionOperation {
  /// The extents of an attention.
  struct Extents {
    let batch: Int
    let positions: Int
    let heads: Int
    let keyValueHeads: Int
    let length: Int

    init(_ queries: Tensor, _ keys: Tensor, _ values: Tensor) {
      let (q, k) = (queries.shape, keys.shape)
      precondition(
        q.rank == 4 && k.rank == 4 && values.shape == k && q[0] == k[0] && q[1] == k[1]
          && q[3] == k[3] && k[2] > 0 && q[2].isMultiple(of: k[2]),
        "queries of shape \(q) do not fit keys of shape \(k) and values of shape \(values.shape)")
      (batch, positions, heads, length) = (q[0], q[1], q[2], q[3])
      keyValueHeads = k[2]
    }

    var queryStride: Int { heads * length }
    var keyValueStride: Int { keyValueHeads * length }

    func row(_ batch: Int, _ position: Int) -> Int { batch * positions + position }

    func queryOffset(_ batch: Int, _ position: Int, _ head: Int) -> Int {
      (row(batch, position) * heads + head) * length
    }

    func keyValueOffset(_ batch: Int, _ head: Int) -> Int {
      (row(batch, 0) * keyValueHeads + head) * length
    }

    /// Rows of queries that are worked on together.
    var blocks: [Range<Int>] {
      stride(from: 0, to: positions, by: AttentionOperation.blockRows).map {
        $0..<min($0 + AttentionOperation.blockRows, positions)
      }
    }
  }

  /// A text and a head of keys and values with its heads of queries: what one thread works on.
  struct Share {
    let extents: Extents
    let batch: Int
    let keyValueHead: Int
    let scale: Float
    /// All queries, and the first key and value of this head.
    let queries: UnsafePointer<Float>
    let keys: UnsafePointer<Float>
    let values: UnsafePointer<Float>

    var heads: Range<Int> {
      let group = extents.heads / extents.keyValueHeads
      return keyValueHead * group..<(keyValueHead + 1) * group
    }
  }

  /// A thread's memory for some rows of queries.
  struct Scratch {
    private let memory: AlignedBuffer<Float>
    /// Scaled queries and results, `[rows, length]`.
    let queries: UnsafeMutablePointer<Float>
    let rows: UnsafeMutablePointer<Float>
    /// Scores or weights, and their gradients, `[rows, positions]`.
    let scores: UnsafeMutablePointer<Float>
    let slopes: UnsafeMutablePointer<Float>
    /// A number for each row.
    let rowValues: UnsafeMutablePointer<Float>

    init(_ extents: Extents) {
      let blockRows = AttentionOperation.blockRows
      let (vectors, lines) = (blockRows * extents.length, blockRows * extents.positions)
      memory = AlignedBuffer(uninitialized: 2 * vectors + 2 * lines + blockRows)
      queries = memory.pointer
      rows = queries + vectors
      scores = rows + vectors
      slopes = scores + lines
      rowValues = slopes + lines
    }
  }

  /// The gradients of the keys and values of one head, `[positions, length]`, added up over rows of
  /// queries in their order.
  struct Sums {
    private let memory: AlignedBuffer<Float>
    private let extents: Extents
    let keys: UnsafeMutablePointer<Float>
    let values: UnsafeMutablePointer<Float>

    init(_ extents: Extents) {
      self.extents = extents
      let size = extents.positions * extents.length
      memory = AlignedBuffer(repeating: 0, count: 2 * size)
      (keys, values) = (memory.pointer, memory.pointer + size)
    }

    func write(
      _ share: Share, keys keyGradient: UnsafeMutablePointer<Float>,
      values valueGradient: UnsafeMutablePointer<Float>
    ) {
      let (length, stride) = (extents.length, extents.keyValueStride)
      let first = extents.keyValueOffset(share.batch, share.keyValueHead)
      for position in 0..<extents.positions {
        let (from, to) = (position * length, first + position * stride)
        (keyGradient + to).update(from: keys + from, count: length)
        (valueGradient + to).update(from: values + from, count: length)
      }
    }
  }
}
