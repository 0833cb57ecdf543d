import BitCore
import BitFiles

extension ModelFile {
  /// A packed layer of the model, ready to run, in whatever format it is stored.
  ///
  /// ```swift
  /// let model = try ModelFile(path: "bitnet-b1.58-2B-4T")
  /// let layer = try model.packedLayer("model.layers.0.mlp.up_proj")
  /// let output = layer(input)               // [..., in] -> [..., out]
  /// ```
  ///
  /// - Parameters:
  ///   - name: the name of its weight without `.weight`.
  ///   - recipe: how the layer quantizes its input, for GGUF files that do not tell; the kind of its
  ///     codes is that of the file.
  ///   - format: how to hold the codes of other programs' files in memory; nil for the default.
  /// - Throws: `InputError` that names the file and the tensor: `.missing` if there is no such
  ///   layer, `.mismatch` if its weight holds no codes or its parts do not fit one another,
  ///   `.malformed` for codes or scales that are not sound, `.unsupported` if neither the file nor
  ///   `recipe` tells how its input is quantized.
  public func packedLayer(
    _ name: String, recipe: QuantizationRecipe? = nil, format: PackedFormat? = nil
  ) throws(InputError) -> PackedBitLinear {
    let weightName = "\(name).weight"
    guard let tensor = tensor(weightName) else {
      throw InputError(
        .missing, source: path, found: "no tensor \(ErrorText.quoted(weightName))",
        expected: "the weight of a layer")
    }
    switch tensor.packing {
    case .bitlinear(let layer): return try layer.packedLayer()
    case .huggingFace(let layer): return try layer.packedLayer(format: format)
    case .gguf, .quantized, nil: break
    }
    guard let codes = tensor.codes else {
      throw InputError(
        .mismatch, source: tensor.source, found: "\(tensor.type) weights",
        expected: "ternary or sign codes")
    }
    if let scale = self.tensor("\(name).scale") {
      throw InputError(
        .unsupported, source: scale.source, found: "a scale in a tensor of its own",
        expected: "scales beside the codes")
    }
    var own = recipe ?? quantization?.recipe
    if let members = members(of: tensor) {
      own = try QuantizationRecipe(json: .object(members), source: tensor.source)
    }
    guard var own else {
      throw InputError(
        .unsupported, source: tensor.source, found: "no recipe for its activations",
        expected: "one in the file or given by the caller")
    }
    own.weights = codes.alphabet
    func values(_ part: String) throws(InputError) -> Tensor? {
      guard let tensor = self.tensor("\(name)\(part)") else { return nil }
      return Tensor(try tensor.values(0..<tensor.rows))
    }
    let (bias, normBias) = (try values(".bias"), try values(".norm.bias"))
    // As this project's and BitNet-embedding's layers have it, Hugging Face's, and GGUF files.
    var normWeight: Tensor?
    for part in [".norm.weight", ".rms_norm.weight", "_norm_in.weight"] where normWeight == nil {
      normWeight = try values(part)
    }
    do {
      return try PackedBitLinear(
        matrix: codes.packedMatrix(format: format), bias: bias, recipe: own,
        normWeight: normWeight, normBias: normBias)
    } catch {
      throw error.inside("\(path), layer \(name)")
    }
  }

  private func tensor(_ name: String) -> ModelTensor? {
    tensors.first { $0.name.utf8.elementsEqual(name.utf8) }
  }
}
