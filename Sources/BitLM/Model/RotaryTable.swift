import BitCore
import BitFormats
import Synchronization

/// The cosines and sines of a model's rotary embedding, computed when positions are first used and
/// shared by all layers and texts.
final class RotaryTable: Sendable {
  /// The angles of some positions.
  final class Block: Sendable {
    /// `[positions, pairs]`
    let cosines: [Float]
    let sines: [Float]

    init(_ tables: (cosines: [Float], sines: [Float])) { (cosines, sines) = tables }
  }

  private static let blockPositions = 256
  private let embedding: RotaryEmbedding
  private let blocks = Mutex<[Int: Block]>([:])

  /// The number of pairs that turn.
  var pairs: Int { embedding.length / 2 }

  init(_ embedding: RotaryEmbedding) { self.embedding = embedding }

  /// Calls `body` with the angles of a position.
  func withAngles(
    _ position: Int, _ body: (UnsafeBufferPointer<Float>, UnsafePointer<Float>) -> Void
  ) {
    let index = position / Self.blockPositions
    let block = blocks.withLock { blocks in
      if let block = blocks[index] { return block }
      let first = index * Self.blockPositions
      let block = Block(embedding.tables(positions: first..<first + Self.blockPositions))
      blocks[index] = block
      return block
    }
    let start = position % Self.blockPositions * pairs
    block.cosines.withUnsafeBufferPointer { cosines in
      block.sines.withUnsafeBufferPointer { sines in
        guard let sines = sines.baseAddress else { return }
        body(UnsafeBufferPointer(rebasing: cosines[start..<start + pairs]), sines + start)
      }
    }
  }
}
