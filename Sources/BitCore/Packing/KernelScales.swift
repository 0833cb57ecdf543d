import CBitKernels

/// The scales of a matrix in the order in which the kernels read them.
struct KernelScales: Sendable {
  /// A scale for each row or, with blocks, `[strip, block, row of the strip]`; nil if ``halves`` are
  /// there instead.
  let floats: AlignedBuffer<Float>?
  /// The scales of blocks as half precision floats where all of them are exact, because those are
  /// half as much to read from memory.
  let halves: AlignedBuffer<UInt16>?

  init(_ scales: WeightScales, rows: Int, columns: Int) {
    let layout = scales.layout(rows: rows, columns: columns)
    switch scales {
    case .groups(let values):
      floats = AlignedBuffer((0..<rows).lazy.map { values[layout.index(row: $0, column: 0)] })
      halves = nil
    case .blocks(_, let values):
      let blocks = layout.scalesPerRow
      let stripRows = Int(BK_STRIP_ROWS)
      let floats = AlignedBuffer<Float>(
        repeating: 0, count: bk_strip_count(rows) * blocks * stripRows, for: .weights)
      floats.withUnsafeMutablePointer { floats in
        for row in 0..<rows {
          for block in 0..<blocks {
            floats[(row / stripRows * blocks + block) * stripRows + row % stripRows] =
              values[row * blocks + block]
          }
        }
      }
      halves = Self.halves(floats)
      self.floats = halves == nil ? floats : nil
    }
  }

  /// The same numbers as half precision floats; nil if one of them is not exact.
  private static func halves(_ floats: AlignedBuffer<Float>) -> AlignedBuffer<UInt16>? {
    let halves = AlignedBuffer<UInt16>(uninitialized: floats.count, for: .weights)
    let isExact = halves.withUnsafeMutablePointer { halves in
      floats.elements.indices.allSatisfy { index in
        halves[index] = HalfPrecision.f16(floats.elements[index])
        return HalfPrecision.float(f16: halves[index]).bitPattern
          == floats.elements[index].bitPattern
      }
    }
    return isExact ? halves : nil
  }

  /// Bytes in memory.
  var byteCount: Int {
    MemoryLayout<Float>.stride * (floats?.count ?? 0)
      + MemoryLayout<UInt16>.stride * (halves?.count ?? 0)
  }
}
