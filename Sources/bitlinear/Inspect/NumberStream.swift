import BitCore
import BitFormats

/// The numbers of a tensor, read piece by piece: only one piece is in memory.
struct NumberStream {
  /// The numbers of a piece, unless a row of blocks has more.
  private static let pieceCount = 1 << 18

  private let pieces: Int
  private let read: (_ piece: Int) throws(InputError) -> [Double]

  /// The numbers of a tensor.
  ///
  /// - Throws: ``InputError`` of kind `.unsupported` for a type that is not read.
  init(_ extent: ByteExtent) throws(InputError) {
    if let type = extent.plainNumbers {
      let size = Self.pieceCount * type.width
      pieces = (extent.byteCount + size - 1) / size
      read = { (piece) throws(InputError) in
        let range = piece * size..<min(extent.byteCount, (piece + 1) * size)
        let values = try extent.withBytes(range) { type.doubles($0) }
        extent.releasePages(range)
        return values
      }
      return
    }
    guard case .gguf(let file, let info) = extent else {
      throw InputError(
        .unsupported, source: extent.source, found: extent.typeName,
        expected: "integers, BOOL, F16, BF16, F32 or F64")
    }
    // Types that are not read say so here.
    _ = try file.values(info.name, rows: 0..<0)
    let rows = max(1, Self.pieceCount / max(1, info.columns))
    pieces = (info.rows + rows - 1) / rows
    read = { (piece) throws(InputError) in
      let range = piece * rows..<min(info.rows, (piece + 1) * rows)
      let values = try file.values(info.name, rows: range)
      extent.releasePages()
      return values.map { Double($0) }
    }
  }

  /// Calls `body` with piece after piece.
  func forEach(_ body: (UnsafeBufferPointer<Double>) -> Void) throws(InputError) {
    for piece in 0..<pieces {
      try read(piece).withUnsafeBufferPointer { body($0) }
    }
  }
}
