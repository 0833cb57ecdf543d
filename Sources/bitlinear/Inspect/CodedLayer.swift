import BitCore
import BitFormats

/// A tensor of codes with its scales.
struct CodedLayer {
  /// What the stored scale does.
  enum ScaleUse: String {
    case multiplies
    case divides
    /// Nothing in the files tells.
    case unknown
  }

  /// The layer, or the tensor where codes and scales are one.
  let name: String
  /// Codes and factors.
  let coded: CodedTensor
  /// Bytes in the file, scales included.
  let bytes: Int
  /// What the scale does where the format leaves that open; nil if scales always multiply.
  let scaleUse: ScaleUse?
  /// The scales as stored; nil where they are among the codes.
  let storedScales: [Float]?
  private let tensor: ModelTensor

  /// A tensor of a model; nil if it holds no codes.
  init?(_ tensor: ModelTensor, isScaleKnown: Bool) {
    guard let coded = tensor.codes else { return nil }
    (self.tensor, self.coded, bytes) = (tensor, coded, tensor.byteCount)
    switch tensor.packing {
    case .huggingFace(let layer):
      name = layer.name
      scaleUse =
        !isScaleKnown ? .unknown : layer.scale.convention == .multiplies ? .multiplies : .divides
      storedScales = [layer.scale.stored]
    case .bitlinear(let layer):
      (name, scaleUse) = (layer.name, nil)
      // What is wrong with them shows when the codes are read.
      storedScales = try? layer.storedScales()
    case .gguf, .quantized, nil: (name, scaleUse, storedScales) = (tensor.name, nil, nil)
    }
  }

  /// How many scales are stored.
  var scaleCount: Int { coded.layout.count }

  /// What a scale applies to, in words for the user: "tensor", "row", "group of rows", "block of 64".
  var scaleKind: String {
    switch coded.scaleKind {
    case .tensor: "tensor"
    case .row: "row"
    case .groups: coded.layout.rowsPerScale == 1 ? "row" : "group of rows"
    case .block(let columns): "block of \(columns)"
    }
  }

  /// Bits in the file per weight, scales included.
  var bitsPerWeight: Double {
    let weights = coded.rows * coded.columns
    return weights > 0 ? Double(8 * bytes) / Double(weights) : 0
  }

  /// Goes through all codes and scales.
  func statistics() throws(InputError) -> CodeStatistics {
    try CodeStatistics(name, of: coded, releasePages: tensor.releasePages)
  }
}
