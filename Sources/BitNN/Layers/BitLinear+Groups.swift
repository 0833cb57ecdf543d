extension BitLinear {
  /// The layer of the output rows of some groups: its output is the columns of those rows in this
  /// layer's output, bit for bit at full strength, because each group has statistics of its own.
  ///
  /// - Parameter range: numbers of groups, at least one, in `0..<groups`. The layer must have its
  ///   latent weights.
  public func rows(ofGroups range: Range<Int>) -> BitLinear {
    precondition(!isPacked, "the rows of a packed BitLinear cannot be taken apart")
    precondition(
      !range.isEmpty && range.lowerBound >= 0 && range.upperBound <= groups,
      "groups \(range) of a layer of \(groups) groups")
    let rowsOfGroup = outFeatures / groups
    let rows = range.lowerBound * rowsOfGroup..<range.upperBound * rowsOfGroup
    var layer = BitLinear(
      weight: weight.rows(rows), bias: bias?.rows(rows), groups: range.count, recipe: recipe,
      learnsNorm: normWeight != nil)
    layer.normWeight = normWeight
    layer.normBias = normBias
    layer.frozenParameters = frozenParameters
    layer.strength = strength
    return layer
  }
}

extension Tensor {
  /// Some of the entries along the first axis.
  fileprivate func rows(_ range: Range<Int>) -> Tensor {
    let size = shape.dropFirst().reduce(1, *)
    return withSpan { values in
      let part = values.extracting(range.lowerBound * size..<range.upperBound * size)
      return Tensor(
        part.indices.map { part[$0] }, shape: Shape([range.count] + shape.dropFirst()))
    }
  }
}
