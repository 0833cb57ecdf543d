import BitCore
import BitFormats
import BitFiles

/// A checkpoint on its way from one format to another.
///
/// ```swift
/// let source = try ModelFile(path: "bitnet-b1.58-2B-4T")
/// let conversion = try Conversion(source, to: "model.gguf")
/// try conversion.write()
/// try conversion.verify()
/// ```
///
/// Codes and scales are taken as they are; nothing is quantized again. Tensors are streamed, so
/// that memory is not a multiple of the checkpoint but of some rows.
public struct Conversion: Sendable {
  /// What is read.
  public let source: ModelFile
  /// The path as given.
  public let path: String
  /// How weights of codes are stored.
  public let type: ConversionType
  /// What is done, and how.
  public let options: ConversionOptions
  /// What a Hugging Face file says about its layers.
  let quantization: HuggingFaceQuantization
  let target: ConversionTarget
  let items: [ConversionItem]

  /// Decides how every tensor is stored, and checks what can be checked without a file.
  ///
  /// - Parameters:
  ///   - source: what is read.
  ///   - path: a file that ends in `.safetensors` or `.gguf`, or a folder, which receives
  ///     `model.safetensors`, `config.json` and the small other files of the source.
  ///   - options: what may be done.
  ///   - progress: is told how far reading is.
  /// - Throws: ``InputError`` that names the tensor that the target cannot hold; of kind `.mismatch`
  ///   if the target is the source, under whatever name. What `progress` throws.
  public init(
    _ source: ModelFile, to path: String, options: ConversionOptions = ConversionOptions(),
    progress: ConversionProgress.Handler? = nil
  ) throws {
    self = try ConversionProgress.withHandler(progress) { (handler) throws(InputError) in
      try Conversion(source, to: path, options, handler)
    }
  }

  private init(
    _ source: ModelFile, to path: String, _ options: ConversionOptions,
    _ progress: ConversionMonitor.Handler?
  ) throws(InputError) {
    (self.source, self.path, self.options) = (source, path, options)
    let target = try ConversionTarget(path: path)
    self.target = target
    try Self.checkIsOther(target, source, path)
    var candidates = Self.candidates(source, target)
    if let type = options.type {
      guard (type.gguf != nil) == target.isGGUF else {
        throw InputError(
          .mismatch, source: path, found: "the type \(type.rawValue)",
          expected: candidates.map(\.rawValue).joined(separator: ", ") + " for such a file")
      }
      candidates = [type]
    }
    var found: (ConversionType, [ConversionItem], HuggingFaceQuantization)?
    var failure: InputError?
    for type in candidates where found == nil {
      do {
        let quantization = try Self.quantization(source, type)
        let items = try Self.items(
          source, target, type, quantization, options, isCertain: candidates.count == 1, progress)
        found = (type, items, quantization)
      } catch {
        // A signal or a damaged file is no matter of the type.
        guard [.unsupported, .mismatch].contains(error.kind) else { throw error }
        failure = failure ?? error
      }
    }
    guard let found else {
      throw failure ?? InputError(.unsupported, source: path, found: "nothing", expected: "a type")
    }
    (type, items, quantization) = found
  }

  /// What is read must not be replaced: float weights would be gone for good.
  private static func checkIsOther(
    _ target: ConversionTarget, _ source: ModelFile, _ path: String
  ) throws(InputError) {
    if case .folder(let folder) = target, let own = source.folder,
      FileSystem.areSame(folder, own)
    {
      throw InputError(
        .mismatch, source: path, found: "the folder that is read", expected: "another folder")
    }
    guard !source.files.contains(where: { FileSystem.areSame(target.file, $0) }) else {
      throw InputError(
        .mismatch, source: path, found: "a file that is read", expected: "another name")
    }
  }

  private static func candidates(
    _ source: ModelFile, _ target: ConversionTarget
  ) -> [ConversionType] {
    if target.isGGUF {
      let codes = source.tensors.compactMap(\.codes)
      let isSign = !codes.isEmpty && codes.allSatisfy { $0.alphabet == .sign }
      return isSign ? [.q1_0, .tq2_0, .i2_s, .q2_0] : [.tq2_0, .i2_s, .q2_0]
    }
    let isPacked = source.tensors.contains { $0.layer != nil }
    return isPacked ? [.bitlinear, .hf] : [.hf, .bitlinear]
  }

  private static func items(
    _ source: ModelFile, _ target: ConversionTarget, _ type: ConversionType,
    _ quantization: HuggingFaceQuantization, _ options: ConversionOptions, isCertain: Bool,
    _ progress: ConversionMonitor.Handler?
  ) throws(InputError) -> [ConversionItem] {
    let monitor = ConversionMonitor(step: .reading, total: source.byteCount, handler: progress)
    let names = TargetNames(
      source, isGGUF: target.isGGUF, type: type, keepsNames: options.keepsNames)
    var items: [ConversionItem] = []
    var factors: [String: Float] = [:]
    var done = 0
    for tensor in source.tensors {
      var item = ConversionItem(tensor, name: names.name(of: tensor.name))
      try item.fit(type, convention: quantization.scaleConvention, isLossy: options.isLossy)
      if let gguf = type.gguf, !isCertain { try item.check(gguf) }
      if item.codes != nil {
        guard tensor.layerName != nil || type.gguf != nil else {
          throw InputError(
            .unsupported, source: tensor.source, found: "codes", expected: "a name in .weight")
        }
        if type == .hf, quantization.linearClass == .autobitlinear, let layer = tensor.layerName {
          factors["\(layer).bias"] = item.scale?.multiplier
        }
      }
      items.append(item)
      done += tensor.byteCount
      try monitor.report(done)
    }
    for index in items.indices where items[index].codes == nil {
      items[index].factor = factors[items[index].tensor.name] ?? 1
    }
    try checkSeparateScales(source, type)
    return items
  }

  /// Some GGUF files have a factor of a weight in a tensor of its own, which has no place elsewhere.
  private static func checkSeparateScales(
    _ source: ModelFile, _ type: ConversionType
  ) throws(InputError) {
    guard source.isGGUF, type.gguf == nil else { return }
    let layers = Set(source.tensors.compactMap { $0.codes == nil ? nil : $0.layerName })
    for tensor in source.tensors where tensor.name.hasSuffix(".scale") {
      guard layers.contains(String(tensor.name.dropLast(6))) else { continue }
      throw InputError(
        .unsupported, source: tensor.source, found: "a scale in a tensor of its own",
        expected: "scales beside the codes, to be stored as \(type.rawValue)")
    }
  }

  /// What a Hugging Face file says: the source's words, or else what its layers need.
  private static func quantization(
    _ source: ModelFile, _ type: ConversionType
  ) throws(InputError) -> HuggingFaceQuantization {
    var quantization =
      source.quantization ?? HuggingFaceQuantization(linearClass: .autobitlinear)
    quantization.mode = .offline
    guard type == .hf, source.quantization == nil else { return quantization }
    var first: QuantizationRecipe?
    for tensor in source.tensors {
      guard let members = source.members(of: tensor) else { continue }
      let recipe = try QuantizationRecipe(json: .object(members), source: tensor.source)
      if case .rms(let epsilon)? = recipe.normalization.map(RMSKind.init) {
        quantization.usesRMSNorm = true
        quantization.rmsNormEpsilon = Double(epsilon)
      }
      guard recipe == quantization.recipe, first == nil || first == recipe else {
        throw InputError(
          .unsupported, source: tensor.source, found: recipe.description(groups: 1),
          expected: "\(quantization.recipe.description(groups: 1)), as Hugging Face's layers are")
      }
      first = recipe
    }
    return quantization
  }
}

/// Whether a norm is the one that Hugging Face's layers may have.
private enum RMSKind {
  case rms(epsilon: Float)
  case other

  init(_ normalization: Normalization) {
    self =
      normalization == .rms(epsilon: normalization.epsilon)
      ? .rms(epsilon: normalization.epsilon) : .other
  }
}
