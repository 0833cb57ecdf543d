import BitCore
import BitFormats
import BitNN

/// A safetensors file, or the files of an index or a folder, as `inspect` shows it.
struct SafetensorsModel: InspectedModel {
  let metadata: [InspectedMetadata]
  let facts: [(name: String, value: String)]
  let tensors: [InspectedTensor]
  let layers: [CodedLayer]
  let problems: [String]
  private let checkpoint: ShardedSafetensors

  var source: String { checkpoint.source }
  var kind: String { "safetensors" }

  /// Lists the tensors and finds the packed layers.
  ///
  /// - Throws: ``InputError`` for a description of packed layers that does not fit the tensors.
  init(_ checkpoint: ShardedSafetensors) throws(InputError) {
    self.checkpoint = checkpoint
    let files = checkpoint.files
    var metadata: [String: String] = [:]
    for file in files { metadata.merge(file.metadata) { first, _ in first } }
    self.metadata = metadata.sorted { $0.key < $1.key }.map {
      InspectedMetadata(key: $0.key, text: $0.value, json: .string($0.value))
    }
    tensors = files.flatMap { file in
      file.tensors.map { tensor in
        InspectedTensor(
          name: tensor.name, type: "\(tensor.dtype)", shape: tensor.shape,
          bytes: tensor.byteRange.count, bits: Double(tensor.dtype.bitsPerElement),
          file: files.count > 1 ? file.source : nil)
      }
    }
    var layers: [CodedLayer] = []
    for file in files { layers += try PackedLayerDescription.layers(in: file) }
    let own = Set(layers.map(\.tensorName))
    let others = HuggingFaceLayers(in: checkpoint) { !own.contains($0) }
    self.layers = layers + others.layers
    facts = (files.count > 1 ? [("files", "\(files.count)")] : []) + others.facts
    problems = others.problems
  }

  func content(of name: String) throws(InputError) -> TensorContent {
    if let layer = layers.first(where: { $0.tensorName.utf8.elementsEqual(name.utf8) }) {
      return .codes(layer)
    }
    let file = try checkpoint.file(of: name)
    guard let tensor = file[name] else { preconditionFailure("\(name) is none of the tensors") }
    guard let type = NumberType(tensor.dtype) else {
      throw InputError(
        .unsupported, source: "\(file.source), tensor \(InspectText.quoted(name))",
        found: "\(tensor.dtype)", expected: "integers, BOOL, F16, BF16, F32 or F64")
    }
    return .numbers(
      NumberStream(type, byteCount: tensor.byteRange.count) { (range) throws(InputError) in
        let values = try file.withUnsafeBytes(of: name) { bytes in
          type.doubles(UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
        file.releasePages(range, of: tensor)
        return values
      })
  }
}
