import BitCore
import BitFormats

/// How every tensor of a model is stored in a target, decided before anything is written.
struct ConversionPlan: Sendable {
  let type: ConversionType
  /// Why the type was chosen, in words for the user.
  let reason: String
  /// What a Hugging Face file says about its layers.
  private(set) var quantization: HuggingFaceQuantization
  let items: [ConversionItem]
  /// What changes of a language model; nil for another model, and between files of one kind.
  let crossing: DecoderCrossing?
  /// How the floats of a language model are stored that comes to Hugging Face; nil if they are
  /// copied.
  let floatType: DType?

  private let source: ModelFile
  private let options: ConversionOptions

  /// Chooses the type and how each tensor is stored.
  ///
  /// Without a type in `options`, the first is taken that holds all codes and scales exactly, by a
  /// summary of each tensor's scales that is found in one pass.
  ///
  /// - Throws: ``InputError`` that names the tensor which the type, or the first of the types that
  ///   come into question, cannot hold.
  init(
    _ source: ModelFile, _ target: ConversionTarget, _ options: ConversionOptions,
    _ monitor: ConversionMonitor
  ) throws(InputError) {
    (self.source, self.options) = (source, options)
    let crossing =
      options.keepsNames ? nil : try DecoderCrossing(source, isToGGUF: target.isGGUF)
    self.crossing = crossing
    let choice = try Self.choose(source, target, crossing, options, monitor)
    (type, reason, quantization) = (choice.type, choice.reason, choice.quantization)
    let names = TargetNames(source, crossing, type: type)
    var items: [ConversionItem] = []
    var factors: [String: Float] = [:]
    for (index, tensor) in source.tensors.enumerated() where !names.isDropped(tensor.name) {
      let tensor = crossing?.reordered(tensor) ?? tensor
      var item = ConversionItem(tensor, name: names.name(of: tensor.name), storage: .copied)
      if tensor.codes != nil, type == .float || crossing?.isFloat(tensor) == true {
        item.storage = .floats(.f32)
      } else if let codes = tensor.codes, !type.copies(tensor) {
        item.storage = try Self.storage(
          tensor, codes, choice.summaries[index], type, quantization, isLossy: options.isLossy)
        tensor.releasePages()
      }
      if type == .hf, quantization.linearClass == .autobitlinear, let layer = tensor.layerName {
        factors["\(layer).bias"] = item.scale?.multiplier
      }
      items.append(item)
    }
    for index in items.indices where items[index].codes == nil {
      let tensor = items[index].tensor
      let factor = factors[tensor.name] ?? 1
      if tensor.factor != factor {
        items[index].storage = .rescaled(by: factor)
      } else if tensor.codes == nil {
        items[index].storage = try Self.storage(
          tensor, isGGUF: target.isGGUF, isDecoder: crossing != nil)
      }
    }
    let isFolder = crossing?.configuration != nil && !target.isGGUF
    floatType =
      isFolder || type == .float
      ? try Self.chooseFloats(&items, isFolder: isFolder, isLossy: options.isLossy) : nil
    self.items = items
    // The list names layers as the target does.
    quantization.modulesToNotConvert = quantization.modulesToNotConvert.map { layers in
      layers.map { String(names.name(of: "\($0).weight").dropLast(7)) }
    }
    try checkSeparateScales()
  }

  /// How codes are stored that are not copied.
  private static func storage(
    _ tensor: ModelTensor, _ codes: CodedTensor, _ scales: ScaleSummary?, _ type: ConversionType,
    _ quantization: HuggingFaceQuantization, isLossy: Bool
  ) throws(InputError) -> ConversionItem.Storage {
    switch type {
    case .hf:
      if case .huggingFace(let layer) = tensor.packing {
        return .huggingFace(codes, layer.scale)
      }
      let factor = if let common = scales?.common { common } else { try codes.meanScale() }
      let scale = try HuggingFaceScale(
        multiplier: factor, convention: quantization.scaleConvention, rounding: isLossy,
        source: codes.source)
      return .huggingFace(codes.withScale(scale.multiplier), scale)
    case .bitlinear:
      // One scale is as ternary models have it, and faster than blocks.
      guard case .block = codes.scaleKind, let common = scales?.common else { return .codes(codes) }
      return .codes(codes.withScale(common))
    default:
      guard let gguf = type.gguf else { return .codes(codes) }
      if isLossy { return .codes(try codes.withScales(of: gguf)) }
      guard gguf == .i2_s, let common = scales?.common else { return .codes(codes) }
      return .codes(codes.withScale(common))
    }
  }

  /// How a tensor without codes is stored.
  private static func storage(
    _ tensor: ModelTensor, isGGUF: Bool, isDecoder: Bool
  ) throws(InputError) -> ConversionItem.Storage {
    switch tensor.extent {
    case .gguf(_, let info):
      if isGGUF || PlainNumbers(info.type) != nil { return .copied }
      guard case .floats = tensor.content else {
        throw InputError(
          .unsupported, source: tensor.source, found: tensor.type.description,
          expected: "a type that safetensors has, or one that can be read as F32")
      }
      return .floats(.f32)
    case .safetensors(_, let info):
      // llama.cpp multiplies with norms in F32 alone.
      if isGGUF, isDecoder, tensor.shape.count < 2, case .floats = tensor.content {
        return info.dtype == .f32 ? .copied : .floats(.f32)
      }
      if !isGGUF || GGUFTensorType(info.dtype) != nil { return .copied }
      throw InputError(
        .unsupported, source: tensor.source, found: info.dtype.rawValue,
        expected: "a type that GGUF has: F32, F16, BF16, F64, I8, I16, I32 or I64")
    }
  }

  /// Some GGUF files have a factor of a weight in a tensor of its own, which other types lack.
  private func checkSeparateScales() throws(InputError) {
    guard source.isGGUF, type.gguf == nil else { return }
    let layers = Set(source.tensors.compactMap { $0.codes == nil ? nil : $0.layerName })
    for tensor in source.tensors where tensor.name.hasSuffix(".scale") {
      guard layers.contains(String(tensor.name.dropLast(6))) else { continue }
      throw InputError(
        .unsupported, source: tensor.source, found: "a scale in a tensor of its own",
        expected: "scales beside the codes, to be stored as \(type.rawValue)")
    }
  }
}

extension ConversionItem {
  fileprivate init(_ tensor: ModelTensor, name: String, storage: Storage) {
    (self.tensor, self.name, self.storage) = (tensor, name, storage)
  }

  /// The scale of a layer of Hugging Face.
  fileprivate var scale: HuggingFaceScale? {
    if case .huggingFace(_, let scale) = storage { return scale }
    if case .huggingFace(let layer) = tensor.packing { return layer.scale }
    return nil
  }
}
