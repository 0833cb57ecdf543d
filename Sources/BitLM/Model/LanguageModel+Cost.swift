import BitCore

extension LanguageModel {
  /// Bytes of keys and values of one token in all layers, which are read for each later token.
  package var cacheBytesPerToken: Int {
    let numbers = configuration.headLength
    let head =
      switch options.cachePrecision {
      case .float16: 2 * numbers
      case .float32: 4 * numbers
      case .int8: numbers + 4
      }
    return 2 * head * configuration.keyValueHeadCount * configuration.layerCount
  }

  /// The number of ternary and sign weights in the layers, each of which is multiplied once for
  /// each token.
  package var codeCount: Int {
    weights.layers.reduce(0) { sum, layer in
      layer.projections.reduce(sum) {
        if case .codes = $1.weights { $0 + $1.outFeatures * $1.inFeatures } else { $0 }
      }
    }
  }
}
