import BitCore

extension CodedTensor {
  /// The same rows in another order, with their scales. The rows must be whole heads.
  ///
  /// Scales of groups of rows become scales of rows where a group ends inside a head.
  package func reordered(_ order: HeadRowOrder) -> CodedTensor {
    let kind = scaleKind
    let groupRows = if case .groups(let count) = kind { rows / max(1, count) } else { 0 }
    if case .groups = kind, !groupRows.isMultiple(of: order.headLength) {
      let layout = ScaleLayout(.row, rows: rows, columns: columns)
      return reordered(order, layout) { [self] (read, heads) in
        let first = self.layout.indices(rows: heads).lowerBound
        return heads.map { read[$0 / groupRows - first] }
      }
    }
    return reordered(order, layout) { (read, _) in read }
  }

  /// - Parameter scales: the scales of `layout` for whole heads, from those of this tensor.
  private func reordered(
    _ order: HeadRowOrder, _ layout: ScaleLayout,
    _ scales: @escaping @Sendable (_ read: [Float], _ heads: Range<Int>) -> [Float]
  ) -> CodedTensor {
    CodedTensor(source: source, alphabet: alphabet, layout: layout) {
      [self] (range) throws(InputError) in
      let heads = order.heads(of: range, in: rows)
      let read = try rows(heads)
      let codes = order.reordered(read.codes, of: heads, rows: range, length: columns)
      let all = scales(read.scales, heads)
      switch layout.kind {
      // The heads that are read belong to the same groups as the rows.
      case .tensor, .groups: return (codes, all)
      case .row: return (codes, order.reordered(all, of: heads, rows: range, length: 1))
      case .block:
        let length = layout.scalesPerRow
        return (codes, order.reordered(all, of: heads, rows: range, length: length))
      }
    }
  }
}
