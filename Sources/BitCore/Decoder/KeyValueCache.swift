import CBitKernels

/// The keys and values of one layer for the positions of a text, which attention reads again for
/// every later position.
///
/// Memory comes in chunks of 256 positions when positions are added, so a short text needs little
/// however long the context may become. Copies share chunks until one of them adds positions: texts
/// that begin alike can go on from one cache. It is used by one caller at a time.
package struct KeyValueCache: Sendable {
  /// Heads of keys and values.
  package let heads: Int
  /// The length of a head.
  package let length: Int
  /// How numbers are stored.
  package let precision: CachePrecision
  /// The number of positions.
  package private(set) var count = 0
  private var chunks: [AlignedBuffer<UInt8>] = []

  /// Positions of a chunk.
  package static let chunkPositions = Int(BK_CHUNK_POSITIONS)

  /// A cache without positions.
  package init(heads: Int, length: Int, precision: CachePrecision) {
    (self.heads, self.length, self.precision) = (heads, length, precision)
  }

  /// Bytes of the keys, or of the values, of a head in a chunk.
  private var numberBytes: Int { Self.chunkPositions * length * precision.width }
  /// Bytes of the scales of the keys, or of the values, of a head in a chunk.
  private var scaleBytes: Int { precision == .int8 ? Self.chunkPositions * 4 : 0 }
  private var headBytes: Int { 2 * (numberBytes + scaleBytes) }

  /// Bytes in memory, those that it shares with copies included.
  package var byteCount: Int { chunks.count * heads * headBytes }

  /// Makes room for further positions, all of which must be stored before they are attended to.
  package mutating func append(_ positions: Int) {
    let end = count + positions
    if positions > 0, count % Self.chunkPositions != 0 {
      // The positions go on in a chunk that a copy may share.
      let last = count / Self.chunkPositions
      if !isKnownUniquelyReferenced(&chunks[last]) { chunks[last] = chunks[last].copy() }
    }
    while chunks.count * Self.chunkPositions < end {
      chunks.append(AlignedBuffer(uninitialized: heads * headBytes))
    }
    count = end
  }

  /// Forgets the positions after the first `count`.
  package mutating func truncate(to count: Int) {
    precondition(0...self.count ~= count, "\(count) of \(self.count) positions to keep")
    self.count = count
    let kept = (count + Self.chunkPositions - 1) / Self.chunkPositions
    chunks.removeLast(chunks.count - kept)
  }

  /// The number of chunks.
  var chunkCount: Int { chunks.count }

  /// The memory of a head in a chunk, for a caller that keeps the cache alive. Only positions that
  /// the latest ``append(_:)`` added may be written.
  func chunk(_ index: Int, head: Int) -> bk_cache_chunk {
    let start = UnsafeMutableRawPointer(chunks[index].pointer + head * headBytes)
    let scales = start + 2 * numberBytes
    let hasScales = precision == .int8
    return bk_cache_chunk(
      type: precision.kernelType, length: length, keys: start, values: start + numberBytes,
      key_scales: hasScales ? scales.assumingMemoryBound(to: Float.self) : nil,
      value_scales: hasScales
        ? (scales + scaleBytes).assumingMemoryBound(to: Float.self) : nil)
  }
}
