import BitCore
import BitFormats

extension ConversionPlan {
  /// Decides how floats are stored: all of a language model in a Hugging Face checkpoint in one type,
  /// because its layers do not multiply numbers of two; elsewhere those that stand for codes.
  ///
  /// Of F16 and BF16 the first is taken that holds every number exactly, or else F32; with
  /// `isLossy` the first that holds their magnitudes.
  static func chooseFloats(
    _ items: inout [ConversionItem], isFolder: Bool, isLossy: Bool
  ) throws(InputError) -> DType {
    var candidates: [DType] = [.f16, .bf16]
    let isFree: (ConversionItem) -> Bool = {
      isFolder ? $0.isFloats : $0.isFloats && $0.tensor.codes != nil
    }
    for item in items where isFree(item) && !candidates.isEmpty {
      try narrow(&candidates, item, isLossy: isLossy)
    }
    let type = candidates.first ?? .f32
    for index in items.indices where isFree(items[index]) {
      if case .copied = items[index].storage, items[index].tensor.rowOrder == nil,
        items[index].tensor.floatType == type
      {
        continue
      }
      items[index].storage = .floats(type)
    }
    return type
  }

  /// Removes the types that do not hold every number of a tensor.
  private static func narrow(
    _ candidates: inout [DType], _ item: ConversionItem, isLossy: Bool
  ) throws(InputError) {
    let tensor = item.tensor
    if !isLossy, let own = tensor.floatType, own != .f32 {
      candidates.removeAll { $0 != own }
      return
    }
    for first in stride(from: 0, to: tensor.rows, by: tensor.pieceRows) {
      let values = try tensor.values(first..<min(tensor.rows, first + tensor.pieceRows))
      candidates.removeAll { type in
        var typed = item
        typed.storage = .floats(type)
        return values.contains { value in
          let stored = typed.stored(value)
          return isLossy
            ? stored.isFinite != value.isFinite
            : stored.bitPattern != value.bitPattern && !value.isNaN
        }
      }
      if candidates.isEmpty { break }
    }
    tensor.releasePages()
  }
}

extension ConversionItem {
  /// Whether the target has floats that may have any type.
  fileprivate var isFloats: Bool {
    switch storage {
    case .floats: true
    case .copied: if case .floats = tensor.content { true } else { false }
    case .codes, .huggingFace, .rescaled: false
    }
  }
}

extension ModelTensor {
  /// The type of plain floats in the file that safetensors has too.
  fileprivate var floatType: DType? {
    guard codes == nil, let type = extent.plainNumbers?.dtype else { return nil }
    return [.f16, .bf16, .f32].contains(type) ? type : nil
  }
}
