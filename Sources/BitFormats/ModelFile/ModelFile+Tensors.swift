import BitCore
import BitFiles

extension ModelFile {
  static func tensors(of model: ShardedGGUF) -> [ModelTensor] {
    model.files.flatMap { file in
      file.tensors.map { info in
        let extent = ByteExtent.gguf(file, info)
        do throws(InputError) {
          if try file.codeFormat(of: info) != nil {
            let content = ModelTensor.Content.codes(try file.codedTensor(info.name))
            return ModelTensor(extent, content: content, packing: .gguf)
          }
          let isFloat = GGUFNumberCodec(info.type) != nil
          return ModelTensor(extent, content: isFloat ? .floats : .bytes)
        } catch {
          var tensor = ModelTensor(extent, content: .bytes)
          tensor.problem = error
          return tensor
        }
      }
    }
  }

  /// - Parameter isReadable: whether the configuration could be read; what it does not say is then a
  ///   problem of the layers that need it.
  static func tensors(
    of checkpoint: ShardedSafetensors, _ quantization: HuggingFaceQuantization?, isReadable: Bool
  ) throws(InputError) -> [ModelTensor] {
    var packed = try ownLayers(of: checkpoint)
    var factors: [ByteKey: Float] = [:]
    for name in checkpoint.huggingFaceLayerNames where packed[ByteKey("\(name).weight")] == nil {
      guard let tensor = huggingFaceLayer(name, of: checkpoint, quantization, isReadable) else {
        continue
      }
      packed[ByteKey(tensor.name)] = tensor
      if quantization?.linearClass == .autobitlinear, case .huggingFace(let layer) = tensor.packing
      {
        factors[ByteKey("\(name).bias")] = layer.scale.multiplier
      }
    }
    let scales = Set(
      packed.values.compactMap { $0.packing == nil ? nil : ByteKey("\($0.name)_scale") })
    return checkpoint.files.flatMap { file in
      file.tensors.compactMap { info in
        let key = ByteKey(info.name)
        if let tensor = packed[key] { return tensor }
        if scales.contains(key) { return nil }
        let isFloat = PlainNumbers(info.dtype)?.isFloat == true
        var tensor = ModelTensor(.safetensors(file, info), content: isFloat ? .floats : .bytes)
        if isFloat { tensor.factor = factors[key] ?? 1 }
        return tensor
      }
    }
  }

  /// The layers that this project packed, by the name of the weight.
  private static func ownLayers(
    of checkpoint: ShardedSafetensors
  ) throws(InputError) -> [ByteKey: ModelTensor] {
    var tensors: [ByteKey: ModelTensor] = [:]
    for file in checkpoint.files {
      let layers = try PackedLayerFile.descriptions(in: file.metadata, source: file.source)
      for (name, description) in layers.members.map({ ($0.key, $0.value) }) {
        let layer = try StoredPackedLayer(name, description, in: file)
        tensors[ByteKey("\(name).weight")] = ModelTensor(
          layer.weight, content: .codes(layer.codes), packing: .bitlinear(layer))
      }
    }
    return tensors
  }

  /// The weight of a layer as Hugging Face packs it; nil if its scale belongs to another kind of
  /// quantization.
  private static func huggingFaceLayer(
    _ name: String, of checkpoint: ShardedSafetensors, _ quantization: HuggingFaceQuantization?,
    _ isReadable: Bool
  ) -> ModelTensor? {
    let weightName = "\(name).weight"
    guard let weight = checkpoint[weightName], weight.shape.count == 2 else { return nil }
    let isPacked = weight.dtype == .u8
    if quantization == nil, !isPacked || checkpoint["\(name).weight_scale"] == nil { return nil }
    do throws(InputError) {
      let layer = try HuggingFaceLayer(
        name, from: checkpoint,
        quantization: quantization ?? HuggingFaceQuantization(linearClass: .autobitlinear))
      var tensor = ModelTensor(
        layer.weight, content: .codes(layer.codes), packing: .huggingFace(layer))
      if quantization == nil, isReadable {
        tensor.problem = InputError(
          .missing, source: tensor.source,
          found: "packed weights without a quantization_config",
          expected: "config.json in the same folder, which tells whether weight_scale multiplies "
            + "or divides")
      }
      return tensor
    } catch {
      guard let file = try? checkpoint.file(of: weightName) else { return nil }
      var tensor = ModelTensor(.safetensors(file, weight), content: .bytes)
      tensor.problem = error
      return tensor
    }
  }
}
