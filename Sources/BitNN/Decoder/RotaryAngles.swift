import BitCore
import BitFormats
import Synchronization

/// The cosines and sines of a rotary embedding for the positions from 0 on, computed when they are
/// first used and shared by all layers of a model.
final class RotaryAngles: Sendable {
  private let embedding: RotaryEmbedding
  private let tables = Mutex<(cosines: Tensor, sines: Tensor)?>(nil)

  init(_ embedding: RotaryEmbedding) { self.embedding = embedding }

  /// The tables of the first positions, each `[positions, length / 2]`.
  func tables(positions: Int) -> (cosines: Tensor, sines: Tensor) {
    tables.withLock { tables in
      if let tables, tables.cosines.shape[0] >= positions {
        return (
          tables.cosines.sliced(axis: 0, 0..<positions),
          tables.sines.sliced(axis: 0, 0..<positions)
        )
      }
      let (cosines, sines) = embedding.tables(positions: 0..<positions)
      let shape: Shape = [positions, embedding.length / 2]
      let new = (cosines: Tensor(cosines, shape: shape), sines: Tensor(sines, shape: shape))
      tables = new
      return new
    }
  }
}
