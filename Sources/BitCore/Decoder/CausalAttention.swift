import CBitKernels

/// Attention of each position to itself and all before it, with heads of queries that share heads
/// of keys and values (grouped-query attention, Ainslie et al., arXiv 2305.13245).
///
///     weight[p] = softmax over p of (query . key[p]) / sqrt(length),   out = sum of weight[p] value[p]
///
/// Positions go in chunks of 256 that are merged in their order. So the bits of a result depend
/// neither on the threads nor on the other rows of a batch, nor on which positions were cached.
package struct CausalAttention: Sendable {
  /// Heads of queries.
  package let heads: Int
  /// Heads of keys and values, which divide ``heads``.
  package let keyValueHeads: Int
  /// The length of a head.
  package let length: Int

  /// Consecutive positions of one text: the last `count` ones of its cache.
  package struct Segment: Sendable {
    /// The cache, in which the positions are stored already.
    package let cache: KeyValueCache
    /// The row of the queries and results of the first position.
    package let firstRow: Int
    /// The number of positions.
    package let count: Int

    /// The last `count` positions of a cache.
    package init(cache: KeyValueCache, firstRow: Int, count: Int) {
      (self.cache, self.firstRow, self.count) = (cache, firstRow, count)
    }

    var firstPosition: Int { cache.count - count }
  }

  /// Rows of floats: row r begins at `start + r * stride`.
  package struct Rows {
    package let start: UnsafeMutablePointer<Float>
    package let stride: Int

    package init(_ start: UnsafeMutablePointer<Float>, stride: Int) {
      (self.start, self.stride) = (start, stride)
    }

    package subscript(row: Int) -> UnsafeMutablePointer<Float> { start + row * stride }
  }

  package init(heads: Int, keyValueHeads: Int, length: Int) {
    precondition(
      heads.isMultiple(of: keyValueHeads), "\(heads) heads for \(keyValueHeads) of keys and values")
    (self.heads, self.keyValueHeads, self.length) = (heads, keyValueHeads, length)
  }

  /// Heads of queries for each head of keys and values.
  private var group: Int { heads / keyValueHeads }

  /// The positions of a text that are worked on together: their results fit the second cache.
  private static let tile = 64
  /// Up to so many positions of a text, chunks are shared among threads, otherwise positions.
  private static let few = 16

  /// Attends.
  ///
  /// - Parameters:
  ///   - queries: `[heads * length]` in each row.
  ///   - segments: the texts and their rows.
  ///   - output: `[heads * length]` in each row.
  package func callAsFunction(
    _ queries: Rows, _ segments: [Segment], output: Rows, kernels: KernelSet = .active,
    pool: ThreadPool = .shared
  ) {
    let few = segments.filter { $0.count <= Self.few }
    if !few.isEmpty { attendByChunks(queries, few, output, kernels, pool) }
    let many = segments.filter { $0.count > Self.few }
    if !many.isEmpty { attendByPositions(queries, many, output, kernels, pool) }
  }

  /// Queries of some positions and one head of keys and values.
  private struct Part {
    let segment: Segment
    let head: Int
    /// Positions of the segment.
    let positions: Range<Int>
  }

  /// Results for the rows of a part, and memory to compute them.
  private struct Results {
    let maxima: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let totals: UnsafeMutablePointer<Float>

    init(_ memory: UnsafeMutablePointer<Float>, rows: Int) {
      (maxima, sums, totals) = (memory, memory + rows, memory + 2 * rows)
    }

    static func size(rows: Int, length: Int) -> Int { rows * (length + 2) }
  }

  /// Computes the results of a part and a chunk.
  private func attend(
    _ part: Part, chunk: Int, _ queries: Rows, _ results: Results,
    scratch: UnsafeMutablePointer<Float>, _ kernels: KernelSet
  ) {
    let first = chunk * KeyValueCache.chunkPositions
    let memory = part.segment.cache.chunk(chunk, head: part.head)
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: part.positions.count) { visible in
      for (index, position) in part.positions.enumerated() {
        let seen = part.segment.firstPosition + position + 1 - first
        visible[index] = UInt32(min(max(seen, 0), KeyValueCache.chunkPositions))
      }
      let rows = bk_attention(
        queries: queries[part.segment.firstRow + part.positions.lowerBound]
          + part.head * group * length,
        token_stride: queries.stride, tokens: part.positions.count, heads: group,
        visible: visible.baseAddress, scale: 1 / Float(length).squareRoot(),
        maxima: results.maxima, sums: results.sums, totals: results.totals, scratch: scratch)
      withUnsafePointer(to: memory) { memory in
        withUnsafePointer(to: rows) { kernels.table.pointee.decoder.pointee.attend(memory, $0) }
      }
    }
  }

  private func merge(_ later: Results, into results: Results, rows: Int) {
    bk_attention_merge(
      rows, length, later.maxima, later.sums, later.totals, results.maxima, results.sums,
      results.totals)
  }

  /// Divides by the sums and writes the rows of a part.
  private func finish(_ part: Part, _ results: Results, _ output: Rows) {
    for (index, position) in part.positions.enumerated() {
      let first = index * group
      bk_attention_finish(
        group, length, results.sums + first, results.totals + first * length,
        output[part.segment.firstRow + position] + part.head * group * length)
    }
  }

  /// All positions of each text at once; each chunk on whatever thread is free.
  private func attendByChunks(
    _ queries: Rows, _ segments: [Segment], _ output: Rows, _ kernels: KernelSet, _ pool: ThreadPool
  ) {
    let parts = segments.flatMap { segment in
      (0..<keyValueHeads).map { Part(segment: segment, head: $0, positions: 0..<segment.count) }
    }
    var tasks: [(part: Int, chunk: Int, memory: Int)] = []
    var size = 0
    for (index, part) in parts.enumerated() {
      for chunk in 0..<part.segment.cache.chunkCount {
        tasks.append((index, chunk, size))
        size += Results.size(rows: part.segment.count * group, length: length)
      }
    }
    let rows = Self.few * group
    let scratchSize = bk_attention_scratch_floats(rows, length)
    let memory = AlignedBuffer<Float>(uninitialized: size)
    defer { withExtendedLifetime((memory, segments)) {} }
    let results = memory.pointer
    // Little work is done sooner than another thread is told of it.
    pool.parallelFor(tasks.count, grain: 2) { range in
      let scratch = AlignedBuffer<Float>(uninitialized: scratchSize)
      scratch.withUnsafeMutablePointer { scratch in
        for task in tasks[range] {
          let part = parts[task.part]
          attend(
            part, chunk: task.chunk, queries,
            Results(results + task.memory, rows: part.segment.count * group), scratch: scratch,
            kernels)
        }
      }
    }
    var first = 0
    for part in parts {
      let rows = part.segment.count * group
      let sum = Results(results + tasks[first].memory, rows: rows)
      for task in tasks[first..<first + part.segment.cache.chunkCount].dropFirst() {
        merge(Results(results + task.memory, rows: rows), into: sum, rows: rows)
      }
      finish(part, sum, output)
      first += part.segment.cache.chunkCount
    }
  }

  /// Some positions at a time, each with all chunks that they see.
  private func attendByPositions(
    _ queries: Rows, _ segments: [Segment], _ output: Rows, _ kernels: KernelSet, _ pool: ThreadPool
  ) {
    var parts: [Part] = []
    for segment in segments {
      for first in stride(from: 0, to: segment.count, by: Self.tile) {
        let positions = first..<min(segment.count, first + Self.tile)
        for head in 0..<keyValueHeads {
          parts.append(Part(segment: segment, head: head, positions: positions))
        }
      }
    }
    // Later positions see more: both ends of the list in turn make equal shares.
    let order = parts.indices.map { $0 % 2 == 0 ? $0 / 2 : parts.count - 1 - $0 / 2 }
    let rows = Self.tile * group
    let (size, scratchSize) = (
      Results.size(rows: rows, length: length), bk_attention_scratch_floats(rows, length)
    )
    defer { withExtendedLifetime(segments) {} }
    pool.parallelFor(parts.count) { range in
      let memory = AlignedBuffer<Float>(uninitialized: 2 * size + scratchSize)
      defer { withExtendedLifetime(memory) {} }
      for index in range {
        let part = parts[order[index]]
        let rows = part.positions.count * group
        let sum = Results(memory.pointer, rows: rows)
        let later = Results(memory.pointer + size, rows: rows)
        let last = part.segment.firstPosition + part.positions.upperBound - 1
        for chunk in 0...last / KeyValueCache.chunkPositions {
          attend(
            part, chunk: chunk, queries, chunk == 0 ? sum : later,
            scratch: memory.pointer + 2 * size, kernels)
          if chunk > 0 { merge(later, into: sum, rows: rows) }
        }
        finish(part, sum, output)
      }
    }
  }
}
