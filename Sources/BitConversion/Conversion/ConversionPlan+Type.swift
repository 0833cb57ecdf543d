import BitCore
import BitFormats

extension ConversionPlan {
  /// The type that was chosen, and what was found out on the way.
  struct Choice {
    let type: ConversionType
    let reason: String
    let quantization: HuggingFaceQuantization
    /// The summary of each tensor's scales, where it was needed.
    let summaries: [ScaleSummary?]
  }

  /// The types that come into question without a choice of the user, best first.
  private static func candidates(
    _ source: ModelFile, _ target: ConversionTarget, _ crossing: DecoderCrossing?
  ) -> [ConversionType] {
    if target.isGGUF {
      let codes = source.tensors.compactMap(\.codes)
      let isSign = !codes.isEmpty && codes.allSatisfy { $0.alphabet == .sign }
      return isSign ? [.q1_0, .tq2_0, .i2_s, .q2_0] : [.tq2_0, .i2_s, .q2_0]
    }
    // No type of layer says that activations are floats.
    if crossing?.configuration?.activations == .weightOnly { return [.float] }
    return isPacked(source) ? [.bitlinear, .hf] : [.hf, .bitlinear]
  }

  private static func isPacked(_ source: ModelFile) -> Bool {
    source.tensors.contains { if case .bitlinear = $0.packing { true } else { false } }
  }

  static func choose(
    _ source: ModelFile, _ target: ConversionTarget, _ crossing: DecoderCrossing?,
    _ options: ConversionOptions, _ monitor: ConversionMonitor
  ) throws(InputError) -> Choice {
    var candidates = candidates(source, target, crossing)
    if let type = options.type {
      guard type == .float || (type.gguf != nil) == target.isGGUF else {
        throw InputError(
          .mismatch, source: target.path, found: "the type \(type.rawValue)",
          expected: candidates.map(\.rawValue).joined(separator: ", ") + " for such a file")
      }
      candidates = [type]
    }
    var summaries = [ScaleSummary?](repeating: nil, count: source.tensors.count)
    var obstacles: [(type: ConversionType, error: InputError)] = []
    for type in candidates {
      var (quantization, obstacle) = try quantization(source, type, options)
      if obstacle == nil {
        obstacle = try self.obstacle(
          source, type, quantization, crossing, options, &summaries, monitor)
      }
      if let obstacle {
        obstacles.append((type, obstacle))
      } else {
        return Choice(
          type: type, reason: reason(type, source, options, obstacles.first),
          quantization: quantization, summaries: summaries)
      }
    }
    throw obstacles[0].error
  }

  private static func reason(
    _ type: ConversionType, _ source: ModelFile, _ options: ConversionOptions,
    _ obstacle: (type: ConversionType, error: InputError)?
  ) -> String {
    if options.type != nil { return "as asked" }
    if let obstacle { return "because \(obstacle.type.rawValue) cannot hold it: \(obstacle.error)" }
    if !source.tensors.contains(where: { $0.codes != nil }) { return "no tensor holds codes" }
    switch type {
    case .hf: return "every layer has ternary codes and one scale"
    case .float: return "the model was trained with float activations, which no packed layer has"
    case .bitlinear where isPacked(source): return "the layers are packed so already"
    default:
      return options.isLossy
        ? "it holds every code; scales are merged and rounded where it must"
        : "it holds every code and scale exactly"
    }
  }

  /// What keeps a type from holding the model: the first tensor that it cannot hold.
  private static func obstacle(
    _ source: ModelFile, _ type: ConversionType, _ quantization: HuggingFaceQuantization,
    _ crossing: DecoderCrossing?, _ options: ConversionOptions,
    _ summaries: inout [ScaleSummary?], _ monitor: ConversionMonitor
  ) throws(InputError) -> InputError? {
    var done = 0
    for (index, tensor) in source.tensors.enumerated() {
      defer { done += tensor.byteCount }
      // The same bytes hold the same codes and scales.
      guard let codes = tensor.codes, !type.copies(tensor), crossing?.isFloat(tensor) != true
      else { continue }
      if let obstacle = type.obstacle(tensor, codes) { return obstacle }
      // What was asked for is checked while it is written, unless a scale must be found first.
      if options.isLossy || (options.type != nil && !type.hasOneScale(codes)) { continue }
      if case .huggingFace = tensor.packing, type == .hf { continue }
      if summaries[index] == nil {
        summaries[index] = try ScaleSummary(codes)
        tensor.releasePages()
      }
      if let summary = summaries[index],
        let obstacle = type.obstacle(codes, summary, quantization.scaleConvention)
      {
        return obstacle
      }
      try monitor.report(.reading, done + tensor.byteCount, of: source.byteCount)
    }
    return nil
  }
}
