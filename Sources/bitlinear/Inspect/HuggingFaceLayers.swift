import BitCore
import BitFormats
import BitNN

/// The packed layers of a Hugging Face checkpoint: a U8 tensor `weight` with a `weight_scale` of one
/// number beside it. `config.json` in the same folder tells what that number does.
struct HuggingFaceLayers {
  private(set) var layers: [CodedLayer] = []
  private(set) var facts: [(name: String, value: String)] = []
  private(set) var problems: [String] = []

  /// Finds the layers without reading data.
  ///
  /// - Parameters:
  ///   - checkpoint: the tensors.
  ///   - isFree: whether a tensor of codes belongs to no other layer.
  init(in checkpoint: ShardedSafetensors, where isFree: (String) -> Bool) {
    let names = checkpoint.tensors.compactMap { tensor -> String? in
      guard tensor.name.hasSuffix(".weight"), tensor.dtype == .u8, tensor.shape.count == 2,
        let scale = checkpoint["\(tensor.name)_scale"],
        [.f32, .f16, .bf16].contains(scale.dtype), scale.shape == [1] || scale.shape == [],
        isFree(tensor.name)
      else { return nil }
      return String(tensor.name.dropLast(".weight".count))
    }
    if names.isEmpty { return }
    // A configuration that says nothing or nonsense leaves the tensors as they are.
    var quantization: HuggingFaceQuantization?
    do {
      quantization = try checkpoint.quantization()
    } catch {
      problems.append(error.description)
    }
    if let quantization {
      facts = [
        ("linear_class", quantization.linearClass.rawValue),
        ("quantization_mode", quantization.mode.rawValue),
      ]
    }
    for name in names {
      do {
        layers.append(try Self.layer(name, in: checkpoint, quantization?.scaleConvention))
      } catch {
        problems.append(error.description)
      }
    }
  }

  private static func layer(
    _ name: String, in checkpoint: ShardedSafetensors, _ convention: HuggingFaceScale.Convention?
  ) throws(InputError) -> CodedLayer {
    let (weightName, scaleName) = ("\(name).weight", "\(name).weight_scale")
    let file = try checkpoint.file(of: weightName)
    let scaleFile = try checkpoint.file(of: scaleName)
    guard let weight = file[weightName], let scale = scaleFile[scaleName] else {
      preconditionFailure("\(name) is none of the layers")
    }
    let packing = try HuggingFacePacking(of: weightName, in: file)
    let source = "\(file.source), tensor \(InspectText.quoted(weightName))"
    return CodedLayer(
      name: name, tensorName: weightName,
      coded: CodedTensor(
        source: source, rows: packing.rows, columns: packing.columns, alphabet: .ternary,
        scaleKind: .tensor
      ) { (range) throws(InputError) in
        let codes = try file.withUnsafeBytes(of: weightName) { (bytes) throws(InputError) in
          try packing.unpack(rows: range, from: bytes, source: source)
        }
        let factor = try HuggingFaceScale(
          scaleName, from: scaleFile, convention: convention ?? .multiplies
        ).multiplier
        return (codes, [factor])
      },
      bytes: weight.byteRange.count + scale.byteRange.count, scaleKind: "tensor", scaleCount: 1,
      scaleUse: convention.map { $0 == .multiplies ? .multiplies : .divides } ?? .unknown,
      storedScales: { () throws(InputError) in try scaleFile.tensor(scaleName).scalars },
      releasePages: { file.releasePages(0..<weight.byteRange.count, of: weight) })
  }
}
