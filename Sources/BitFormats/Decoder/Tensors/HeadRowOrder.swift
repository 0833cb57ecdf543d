/// The two orders of the rows of queries and keys, and the way from one to the other.
///
/// Rotary embeddings turn pairs of elements of a head. Hugging Face's models pair element `j` with
/// `j + length / 2`; GGUF's architecture llama pairs `2j` with `2j + 1`. The same model thus has the
/// same rows in another order, and nothing in a file that is read in the wrong one tells.
package struct HeadRowOrder: Sendable, Hashable {
  package enum Direction: Sendable {
    /// From halves to neighbours: Hugging Face to GGUF.
    case interleaving
    /// From neighbours to halves: GGUF to Hugging Face.
    case separating
  }

  /// The rows of a head, an even number.
  let headLength: Int
  let direction: Direction

  package init(headLength: Int, _ direction: Direction) {
    precondition(headLength > 0 && headLength.isMultiple(of: 2), "heads of \(headLength) rows")
    (self.headLength, self.direction) = (headLength, direction)
  }

  /// The row of the old order that becomes `row` of the new one.
  package func source(of row: Int) -> Int {
    let (place, half) = (row % headLength, headLength / 2)
    let moved =
      direction == .interleaving
      ? place / 2 + place % 2 * half : place % half * 2 + place / half
    return row - place + moved
  }

  /// The rows of all heads that some rows belong to.
  func heads(of rows: Range<Int>, in count: Int) -> Range<Int> {
    let first = rows.lowerBound / headLength * headLength
    let end = (rows.upperBound + headLength - 1) / headLength * headLength
    return first..<min(end, count)
  }

  /// Some rows of the new order out of the rows of their heads in the old one, `length` elements
  /// each.
  func reordered<Element>(
    _ elements: [Element], of heads: Range<Int>, rows: Range<Int>, length: Int
  ) -> [Element] {
    var result: [Element] = []
    result.reserveCapacity(rows.count * length)
    for row in rows {
      let start = (source(of: row) - heads.lowerBound) * length
      result += elements[start..<start + length]
    }
    return result
  }
}
