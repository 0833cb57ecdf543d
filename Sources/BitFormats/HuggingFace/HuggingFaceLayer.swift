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
public struct HuggingFaceLayer: Sendable {
  /// How the codes are stored.
  public enum WeightStorage: Sendable, Equatable {
    /// Four to a byte.
    case packed
    /// As floats of this type.
    case floats(DType)
  }

  /// A vector with its type in the file.
  struct Vector: Sendable {
    let tensor: Tensor
    let dtype: DType
  }

  /// The name in front of `.weight`.
  public let name: String
  /// The layer, ready to run. Its scale is ``HuggingFaceScale/multiplier`` of ``scale``. Its bias is
  /// added last; where the stored one is scaled with the codes (autobitlinear), it is their product.
  public let layer: PackedBitLinear
  /// The scale as it is stored.
  public let scale: HuggingFaceScale
  /// How the codes are stored.
  public let storage: WeightStorage
  let bias: Vector?
  let normWeight: Vector?

  /// Reads a layer.
  ///
  /// - Parameters:
  ///   - name: the name in front of `.weight`.
  ///   - checkpoint: the tensors; those of a layer may be in several files.
  ///   - quantization: what `config.json` says about the layers.
  ///   - outFeatures: the output features that the configuration asks for, if known.
  ///   - format: how to hold the codes in memory; nil for the default.
  /// - Throws: ``InputError`` that names file and tensor: `.missing` for a tensor that is not
  ///   there, `.malformed` for a code 3, a float that is no code, or a scale that is not finite and
  ///   positive, `.mismatch` for another type or shape or for latent weights, `.unsupported` for a
  ///   number of output features that is no multiple of 4.
  public init(
    _ name: String, from checkpoint: ShardedSafetensors, quantization: HuggingFaceQuantization,
    outFeatures: Int? = nil, format: PackedFormat? = nil
  ) throws(InputError) {
    func vector(_ part: String) throws(InputError) -> Vector {
      let tensor = try checkpoint.tensor("\(name).\(part)")
      let entry = checkpoint["\(name).\(part)"]
      return Vector(tensor: tensor, dtype: entry?.dtype ?? .f32)
    }
    self.name = name
    bias = checkpoint["\(name).bias"] == nil ? nil : try vector("bias")
    normWeight = quantization.usesRMSNorm ? try vector("rms_norm.weight") : nil

    let weightName = "\(name).weight"
    let file = try checkpoint.file(of: weightName)
    let weight = try file.info(of: weightName)
    let source = file.source(of: weight)
    guard weight.shape.count == 2, weight.shape.allSatisfy({ 1...Int(Int32.max) ~= $0 }) else {
      throw InputError(
        .mismatch, source: source, found: "\(weight.dtype) \(ErrorText.list(weight.shape))",
        expected: "a matrix of weights")
    }
    // Before the codes, which take longer.
    let scaleName = "\(name).weight_scale"
    let (codes, rows): ([Int8], Int)
    if weight.dtype == .u8 {
      storage = .packed
      scale = try HuggingFaceScale(
        scaleName, from: checkpoint.file(of: scaleName), convention: quantization.scaleConvention)
      let packing = try HuggingFacePacking(
        of: weightName, in: file, rows: outFeatures ?? bias?.tensor.count)
      rows = packing.rows
      codes = try file.withUnsafeBytes(of: weightName) { (bytes) throws(InputError) in
        try packing.unpack(rows: 0..<packing.rows, from: bytes, source: source)
      }
    } else {
      guard quantization.linearClass == .autobitlinear, quantization.mode == .offline else {
        let kind = quantization.mode == .online ? "latent weights" : "weights"
        throw InputError(
          .mismatch, source: source,
          found: "\(weight.dtype) \(kind) of \(quantization.linearClass.rawValue)",
          expected: "packed weights, U8 [out / 4, in]")
      }
      storage = .floats(weight.dtype)
      scale = try HuggingFaceScale(
        scaleName, from: checkpoint.file(of: scaleName), convention: quantization.scaleConvention)
      rows = weight.shape[0]
      codes = try Self.codes(ofFloats: weight, in: file)
    }
    let factor = scale.multiplier
    let scaledBias = bias.map { bias in
      quantization.linearClass == .bitlinear
        ? bias.tensor : Tensor(bias.tensor.scalars.map { $0 * factor }, shape: bias.tensor.shape)
    }
    do {
      let matrix = try CodeMatrix(
        codes: codes, rows: rows, columns: weight.shape[1], alphabet: .ternary,
        scales: .groups([factor]), format: format)
      layer = try PackedBitLinear(
        matrix: matrix, bias: scaledBias, recipe: quantization.recipe,
        normWeight: normWeight?.tensor)
    } catch {
      throw InputError(
        error.kind, source: "\(checkpoint.source), layer \(name), \(error.source)",
        found: error.found, expected: error.expected)
    }
  }

  private static func codes(
    ofFloats weight: SafetensorsTensorInfo, in file: SafetensorsFile
  ) throws(InputError) -> [Int8] {
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    var codes: [Int8] = []
    codes.reserveCapacity(rows * columns)
    let piece = 1 + (1 << 20) / columns
    for first in stride(from: 0, to: rows, by: piece) {
      let values = try file.tensor(weight.name, rows: first..<min(first + piece, rows))
      let bad = values.withUnsafePointer { values -> Int? in
        for place in 0..<(min(first + piece, rows) - first) * columns {
          let value = values[place]
          guard value == 0 || value.magnitude == 1 else { return place }
          codes.append(Int8(value))
        }
        return nil
      }
      if let bad {
        throw InputError(
          .malformed, source: file.source(of: weight),
          found: "\(values.scalars[bad]) in row \(first + bad / columns), "
            + "column \(bad % columns)",
          expected: "weights -1, 0 and 1")
      }
    }
    return codes
  }
}

extension ShardedSafetensors {
  /// The names of the layers that are stored as codes, in the order of the files: those with a
  /// `.weight_scale`, or with a U8 matrix as `.weight`.
  public var huggingFaceLayerNames: [String] {
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
