import BitCore
import BitFiles
import BitFormats

/// A model as `inspect` shows it. Opening it reads the headers of files, no data.
struct InspectedModel {
  private let model: ModelFile

  /// A model of any kind.
  ///
  /// - Throws: ``InputError`` as ``ModelFile`` does, and of kind `.mismatch` if a layout of I2_S is
  ///   given for another kind of file.
  init(path: String, i2sLayout: I2SLayout?) throws(InputError) {
    model = try ModelFile(listing: path, options: GGUFOptions(i2sLayout: i2sLayout))
    guard i2sLayout == nil || model.isGGUF else {
      throw InputError(
        .mismatch, source: "--i2s-layout", found: "\(path), which is no GGUF file",
        expected: "a GGUF file")
    }
  }

  /// The path as given.
  var source: String { model.path }

  /// The kind of file in words: "safetensors", "GGUF 3".
  var kind: String {
    switch model.storage {
    case .safetensors: "safetensors"
    case .gguf(let model): "GGUF \(model.files[0].version)"
    }
  }

  /// What the file says about itself, in the order to be shown.
  var metadata: [InspectedMetadata] {
    switch model.storage {
    case .gguf(let model): model.metadata.entries.map(InspectedMetadata.init)
    case .safetensors:
      model.strings.sorted { $0.key < $1.key }.map {
        InspectedMetadata(key: $0.key, text: $0.value, json: .string($0.value))
      }
    }
  }

  /// What else is to be known, by name.
  var facts: [(name: String, value: String)] {
    var facts: [(name: String, value: String)] = []
    if model.files.count > 1 { facts.append(("files", "\(model.files.count)")) }
    if case .gguf(let model) = model.storage,
      let file = model.files.first(where: { $0.tensors.contains { $0.type == .i2_s } })
    {
      facts.append(("i2s_layout", file.i2sLayout.rawValue))
    }
    let hasLayers = model.tensors.contains {
      if case .huggingFace = $0.packing { true } else { false }
    }
    if hasLayers, let quantization = model.quantization {
      facts.append(("linear_class", quantization.linearClass.rawValue))
      facts.append(("quantization_mode", quantization.mode.rawValue))
    }
    return facts
  }

  /// All tensors of the files.
  var tensors: [InspectedTensor] {
    model.extents.map { InspectedTensor($0, isOneOfSeveral: model.files.count > 1) }
  }

  /// The bytes of all tensors.
  var bytes: Int { model.extents.reduce(0) { $0 + $1.byteCount } }

  /// The tensors of codes.
  var layers: [CodedLayer] {
    model.tensors.compactMap { CodedLayer($0, isScaleKnown: model.quantization != nil) }
  }

  /// What kind of language model it is; nil if it is none.
  ///
  /// - Throws: ``InputError`` for one that is damaged, or that is not run here.
  func languageModel() throws(InputError) -> InspectedLanguageModel? {
    try InspectedLanguageModel(model)
  }

  /// What is wrong with the model without keeping it from being listed.
  var problems: [String] { model.problems.map(\.description) }

  /// What is unusual about the files.
  var warnings: [String] { model.warnings }

  /// One of the tensors, and what it holds.
  ///
  /// - Throws: ``InputError`` of kind `.missing` that lists names like it; or if its type cannot be
  ///   read or it does not fit its scales.
  func tensor(
    named name: String
  ) throws(InputError) -> (tensor: InspectedTensor, content: TensorContent) {
    guard let extent = model.extents.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
      throw unknown(name)
    }
    let tensor = InspectedTensor(extent, isOneOfSeveral: model.files.count > 1)
    if let owner = model.tensors.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
      if let layer = CodedLayer(owner, isScaleKnown: model.quantization != nil) {
        return (tensor, .codes(layer))
      }
      if let problem = owner.problem, problem.kind != .missing { throw problem }
    }
    return (tensor, .numbers(try NumberStream(extent)))
  }

  private func unknown(_ name: String) -> InputError {
    let names = model.extents.map(\.name)
    let near = NearNames.nearest(to: name, among: names).map(ErrorText.quoted)
    let list = near.count > 1 ? near.dropLast().joined(separator: ", ") + " or " : ""
    return InputError(
      .missing, source: source, found: "no tensor \(ErrorText.quoted(name))",
      expected: "one of its \(names.count) tensors"
        + (near.last.map { ", such as \(list)\($0)" } ?? ""))
  }
}

/// One tensor of the list.
struct InspectedTensor {
  let name: String
  let type: String
  /// Extents, outermost first.
  let shape: [Int]
  /// Bytes in the file; for a type of unknown size, up to the next tensor.
  let bytes: Int
  /// Bits in the file per value; nil for an unknown type or an empty tensor.
  let bits: Double?
  /// The file that it is in, if there are several.
  let file: String?

  init(_ extent: ByteExtent, isOneOfSeveral: Bool) {
    (name, shape, bytes) = (extent.name, extent.shape, extent.byteCount)
    file = isOneOfSeveral ? extent.file : nil
    switch extent {
    case .safetensors(_, let info):
      (type, bits) = ("\(info.dtype)", Double(info.dtype.bitsPerElement))
    case .gguf(_, let info):
      type = info.type.name
      bits =
        info.type.blockBytes == nil || info.count == 0
        ? nil : Double(8 * extent.byteCount) / Double(info.count)
    }
  }
}

/// What a tensor holds.
enum TensorContent {
  case codes(CodedLayer)
  case numbers(NumberStream)
}
