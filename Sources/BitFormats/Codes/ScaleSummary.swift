import BitCore

/// What decides which formats hold the scales of a tensor, found in one pass over it.
///
/// The scale of a code 0 has no meaning, so only the scales of other codes count.
package struct ScaleSummary: Sendable {
  /// Two scales that differ; the second is that of a weight in `row`, `column`.
  package struct Difference: Sendable, CustomStringConvertible {
    package let first: Float
    package let second: Float
    package let row: Int
    package let column: Int

    package var description: String {
      "the scales \(first) and \(second) by row \(row), column \(column)"
    }
  }

  /// The lengths of blocks whose scales are compared: those of the formats that are written.
  package static let blockLengths = [64, 128, 256]

  /// The first two scales that differ; nil if all codes share one.
  package private(set) var difference: Difference?
  /// The first two scales that differ within a block of a number of columns.
  package private(set) var differenceInBlock: [Int: Difference] = [:]
  /// The first scale that no half-precision float equals, and where it is.
  package private(set) var inexactHalf: (scale: Float, row: Int, column: Int)?
  private var first: Float?

  /// The scale of all codes: 1 if all codes are 0, since any scale fits them; nil if scales differ.
  package var common: Float? { difference == nil ? first ?? 1 : nil }

  /// Reads a tensor once: its scales alone if they are all the same, otherwise its codes too.
  ///
  /// - Throws: ``InputError`` as ``CodedTensor/rows(_:)`` does.
  package init(_ tensor: CodedTensor) throws(InputError) {
    guard tensor.rows > 0, tensor.columns > 0 else { return }
    if tensor.scaleKind == .tensor || tensor.readsScalesAlone,
      let scale = try Self.equalScale(of: tensor)
    {
      note(scale, row: 0, column: 0)
      return
    }
    // Blocks whose scales cannot differ within are not compared.
    let lengths = Self.blockLengths.filter { !tensor.layout.runLength.isMultiple(of: $0) }
    var blocks = [(index: Int, scale: Float)](repeating: (-1, 0), count: lengths.count)
    try tensor.forEachPiece { rows in
      rows.forEachRun(endingAt: lengths.isEmpty ? .max : Self.blockLengths[0]) { run in
        let column = run.columns.lowerBound
        let indices = lengths.map { (run.row * tensor.columns + column) / $0 }
        let isKnown =
          run.scale == first
          && zip(blocks, indices).allSatisfy { $0.index == $1 && $0.scale == run.scale }
        if isKnown || rows.nonzeroCount(run.codes) == 0 { return }
        note(run.scale, row: run.row, column: column)
        for (slot, length) in lengths.enumerated() {
          if blocks[slot].index != indices[slot] {
            blocks[slot] = (indices[slot], run.scale)
          } else if blocks[slot].scale.bitPattern != run.scale.bitPattern {
            differenceInBlock[length] =
              differenceInBlock[length]
              ?? Difference(
                first: blocks[slot].scale, second: run.scale, row: run.row, column: column)
          }
        }
      }
    }
  }

  private mutating func note(_ scale: Float, row: Int, column: Int) {
    if let first {
      if first != scale {
        difference =
          difference ?? Difference(first: first, second: scale, row: row, column: column)
      }
    } else {
      first = scale
    }
    if inexactHalf == nil,
      HalfPrecision.float(f16: HalfPrecision.f16(scale)).bitPattern != scale.bitPattern
    {
      inexactHalf = (scale, row, column)
    }
  }

  /// The scale of the whole tensor, if a look at the scales alone can tell.
  private static func equalScale(of tensor: CodedTensor) throws(InputError) -> Float? {
    guard let scale = try tensor.scales(0..<1).first, scale > 0, scale.isFinite else { return nil }
    if tensor.scaleKind == .tensor { return scale }
    for first in stride(from: 0, to: tensor.rows, by: tensor.pieceRows) {
      let scales = try tensor.scales(first..<min(tensor.rows, first + tensor.pieceRows))
      guard scales.allSatisfy({ $0 == scale }) else { return nil }
    }
    return scale
  }
}
