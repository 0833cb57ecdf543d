import BitCore
import BitFiles

/// A BitLinear layer as a Hugging Face checkpoint stores it.
///
/// A layer named `model.layers.0.mlp.up_proj` takes these tensors:
///
///     ....weight            U8 [out / 4, in]      see HuggingFacePacking; or, with linear_class
///                           float [out, in]       autobitlinear, floats that are -1, 0 or 1
///     ....weight_scale      F32, F16, BF16 [1]    see HuggingFaceScale
///     ....bias              float [out]           if there is one
///     ....rms_norm.weight   float [in]            if use_rms_norm
///
/// Codes and scales are taken as they are, in both directions; nothing is quantized again.
package struct HuggingFaceLayer: Sendable {
  /// How the codes are stored.
  package enum WeightStorage: Sendable, Equatable {
    /// Four to a byte.
    case packed
    /// As floats of this type.
    case floats(DType)
  }

  /// The name in front of `.weight`.
  package let name: String
  /// The codes, with ``HuggingFaceScale/multiplier`` of ``scale``; read when they are used.
  package let codes: CodedTensor
  /// The scale as it is stored.
  package let scale: HuggingFaceScale
  /// How the codes are stored.
  package let storage: WeightStorage
  /// What `config.json` says about the layers.
  package let quantization: HuggingFaceQuantization
  package let weight: ByteExtent
  package let scaleExtent: ByteExtent
  private let checkpoint: ShardedSafetensors

  /// Opens a layer, which reads its scale and checks the shape of its weight.
  ///
  /// - Parameters:
  ///   - name: the name in front of `.weight`.
  ///   - checkpoint: the tensors; those of a layer may be in several files.
  ///   - quantization: what `config.json` says about the layers.
  ///   - outFeatures: the output features that the configuration asks for, if known.
  /// - Throws: ``InputError`` that names file and tensor: `.missing` for a tensor that is not
  ///   there, `.malformed` for a scale that is not finite and positive, `.mismatch` for another type
  ///   or shape or for latent weights, `.unsupported` for a number of output features that is no
  ///   multiple of 4.
  package init(
    _ name: String, from checkpoint: ShardedSafetensors, quantization: HuggingFaceQuantization,
    outFeatures: Int? = nil
  ) throws(InputError) {
    (self.name, self.checkpoint, self.quantization) = (name, checkpoint, quantization)
    let (weightName, scaleName) = ("\(name).weight", "\(name).weight_scale")
    let file = try checkpoint.file(of: weightName)
    let weight = try file.info(of: weightName)
    let source = file.source(of: weight)
    guard weight.shape.count == 2, weight.shape.allSatisfy({ 1...Int(Int32.max) ~= $0 }) else {
      throw InputError(
        .mismatch, source: source, found: "\(weight.dtype) \(ErrorText.list(weight.shape))",
        expected: "a matrix of weights")
    }
    if weight.dtype != .u8 { try Self.checkHoldsCodes(weight, quantization, source: source) }
    let scaleFile = try checkpoint.file(of: scaleName)
    let scale = try HuggingFaceScale(
      scaleName, from: scaleFile, convention: quantization.scaleConvention)
    let multiplier = scale.multiplier
    self.scale = scale
    self.weight = .safetensors(file, weight)
    scaleExtent = .safetensors(scaleFile, try scaleFile.info(of: scaleName))
    if weight.dtype == .u8 {
      storage = .packed
      let rows = outFeatures ?? checkpoint["\(name).bias"]?.shape.reduce(1, *)
      let packing = try HuggingFacePacking(of: weightName, in: file, rows: rows)
      let layout = ScaleLayout(.tensor, rows: packing.rows, columns: packing.columns)
      codes = CodedTensor(
        source: source, alphabet: .ternary, layout: layout, readScales: { _ in [multiplier] }
      ) { (rows) throws(InputError) in
        let codes = try file.withUnsafeBytes(of: weightName) { (bytes) throws(InputError) in
          try packing.unpack(rows: rows, from: bytes, source: source)
        }
        return (codes, [multiplier])
      }
    } else {
      storage = .floats(weight.dtype)
      let layout = ScaleLayout(.tensor, rows: weight.shape[0], columns: weight.shape[1])
      codes = CodedTensor(
        source: source, alphabet: .ternary, layout: layout, readScales: { _ in [multiplier] }
      ) { (rows) throws(InputError) in
        (try Self.codes(ofFloats: weight, in: file, rows: rows), [multiplier])
      }
    }
  }

  /// Floats are codes in one case only.
  private static func checkHoldsCodes(
    _ weight: SafetensorsTensorInfo, _ quantization: HuggingFaceQuantization, source: String
  ) throws(InputError) {
    let isFloat = PlainNumbers(weight.dtype)?.isFloat == true
    if quantization.linearClass == .autobitlinear, quantization.mode == .offline, isFloat { return }
    let kind = quantization.mode == .online ? "latent weights" : "weights"
    throw InputError(
      .mismatch, source: source,
      found: "\(weight.dtype) \(kind) of \(quantization.linearClass.rawValue)",
      expected: "packed weights, U8 [out / 4, in]")
  }

  private static func codes(
    ofFloats weight: SafetensorsTensorInfo, in file: SafetensorsFile, rows: Range<Int>
  ) throws(InputError) -> [Int8] {
    let values = try file.tensor(weight.name, rows: rows).scalars
    if let bad = values.firstIndex(where: { $0 != 0 && $0.magnitude != 1 }) {
      let columns = weight.shape[1]
      throw InputError(
        .malformed, source: file.source(of: weight),
        found: "\(values[bad]) in row \(rows.lowerBound + bad / columns), column \(bad % columns)",
        expected: "weights -1, 0 and 1")
    }
    return values.map { Int8($0) }
  }

  /// The whole layer, ready to run.
  ///
  /// Its bias is added last; where the stored one is scaled with the codes (autobitlinear), it is
  /// their product.
  ///
  /// - Parameter format: how to hold the codes in memory; nil for the default.
  /// - Throws: ``InputError`` that names file and tensor: `.malformed` for a code 3 or a float that
  ///   is no code, `.missing` and `.mismatch` for a bias or norm that is not there or does not fit.
  package func packedLayer(format: PackedFormat? = nil) throws(InputError) -> PackedBitLinear {
    var bias = try checkpoint["\(name).bias"].map { (info) throws(InputError) in
      try checkpoint.tensor(info.name)
    }
    let normWeight =
      quantization.usesRMSNorm ? try checkpoint.tensor("\(name).rms_norm.weight") : nil
    if quantization.linearClass == .autobitlinear { bias = bias.map { $0 * scale.multiplier } }
    let matrix = try codes.packedMatrix(format: format)
    do {
      return try PackedBitLinear(
        matrix: matrix, bias: bias, recipe: quantization.recipe, normWeight: normWeight)
    } catch {
      throw error.inside("\(checkpoint.source), layer \(name)")
    }
  }

  /// The layer's tensors for another file, with the bytes that they have.
  ///
  /// - Throws: ``InputError`` of kind `.missing` for a norm that is not there.
  package func entries() throws(InputError) -> [SafetensorsEntry] {
    var names = ["weight", "weight_scale"]
    if checkpoint["\(name).bias"] != nil { names.append("bias") }
    if quantization.usesRMSNorm { names.append("rms_norm.weight") }
    return try names.map { (part) throws(InputError) in
      let tensor = "\(name).\(part)"
      return try SafetensorsEntry(copying: tensor, from: checkpoint.file(of: tensor))
    }
  }
}

extension ShardedSafetensors {
  /// The names of the layers that are stored as codes, in the order of the files: those with a
  /// `.weight_scale`, or with a U8 matrix as `.weight`.
  package var huggingFaceLayerNames: [String] {
    var seen: Set<ByteKey> = []
    return tensors.compactMap { tensor in
      let suffix = tensor.name.utf8.last == UInt8(ascii: "e") ? ".weight_scale" : ".weight"
      guard tensor.name.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8),
        suffix == ".weight_scale" || (tensor.dtype == .u8 && tensor.shape.count == 2)
      else { return nil }
      let name = String(decoding: tensor.name.utf8.dropLast(suffix.utf8.count), as: UTF8.self)
      return seen.insert(ByteKey(name)).inserted ? name : nil
    }
  }
}
