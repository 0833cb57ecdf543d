import BitCore

/// How layers print themselves.
enum LayerDescription {
  /// "Name(detail, detail)", without the details that are nil.
  static func text(_ name: String, _ details: String?...) -> String {
    "\(name)(\(details.compactMap(\.self).joined(separator: ", ")))"
  }

  /// The size of float32 parameters.
  static func size(of parameters: Tensor?...) -> String {
    size(bytes: MemoryLayout<Float>.stride * parameters.reduce(0) { $0 + ($1?.count ?? 0) })
  }

  /// A number of bytes as people write it: "4.4 MB".
  static func size(bytes: Int) -> String {
    let units = ["kB", "MB", "GB", "TB"]
    guard bytes >= 1000 else { return "\(bytes) bytes" }
    var tenths = (bytes + 50) / 100
    var unit = 0
    while tenths >= 10_000, unit + 1 < units.count {
      tenths = (tenths + 500) / 1000
      unit += 1
    }
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }

  /// "bitnet" or "b158", or what the weights of another recipe become.
  static func name(of recipe: QuantizationRecipe) -> String {
    switch recipe {
    case .bitnet: "bitnet"
    case .b158: "b158"
    default: "\(recipe.weights.rawValue) weights"
    }
  }
}
