/// Layers whose names differ in one number: those at the same place of every block of a model.
struct LayerKind: Sendable {
  /// The name with an asterisk for the number: "model.layers.*.mlp.up_proj".
  var name: String
  /// The layers in the order of the network.
  var layers: [LayerCodes] = []
  /// The numbers of the layers; empty for one without.
  var numbers: [Substring] = []

  /// The codes of all layers together.
  var total: LayerCodes {
    layers.reduce(into: LayerCodes(name: name, minusOnes: 0, zeros: 0, plusOnes: 0)) { sum, layer in
      sum.minusOnes += layer.minusOnes
      sum.zeros += layer.zeros
      sum.plusOnes += layer.plusOnes
    }
  }

  /// The kinds of the layers by their first appearance. Layers that are alone of their kind are one
  /// kind together, the last.
  static func kinds(of layers: [LayerCodes]) -> [LayerKind] {
    var kinds: [LayerKind] = []
    var places: [String: Int] = [:]
    for layer in layers {
      var parts = layer.name.split(separator: ".", omittingEmptySubsequences: false)
      let place = parts.firstIndex { !$0.isEmpty && $0.allSatisfy { ("0"..."9").contains($0) } }
      let number = place.map { parts[$0] } ?? ""
      if let place { parts[place] = "*" }
      let name = parts.joined(separator: ".")
      if places[name] == nil {
        places[name] = kinds.count
        kinds.append(LayerKind(name: name))
      }
      kinds[places[name] ?? 0].layers.append(layer)
      kinds[places[name] ?? 0].numbers.append(number)
    }
    let alone = kinds.filter { $0.layers.count == 1 }.flatMap(\.layers)
    guard !alone.isEmpty else { return kinds }
    return kinds.filter { $0.layers.count > 1 } + [
      LayerKind(
        name: alone.count == 1 ? alone[0].name : "Layers of other names", layers: alone,
        numbers: alone.map { _ in "" })
    ]
  }
}
