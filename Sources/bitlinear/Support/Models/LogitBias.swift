import ArgumentParser

/// A token's id and what is added to its logit, written together with the sign between them:
/// `29905-inf`, `15043+1.5`.
struct LogitBias: ExpressibleByArgument {
  let id: Int32
  let bias: Float

  init?(argument: String) {
    guard let sign = argument.utf8.firstIndex(where: { [0x2b, 0x2d].contains($0) }),
      let id = Int32(argument[..<sign]), id >= 0, let bias = Float(argument[sign...]),
      bias < .infinity
    else { return nil }
    (self.id, self.bias) = (id, bias)
  }
}
