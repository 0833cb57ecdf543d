import BitTraining
import BitCore
import BitFiles
import BitFormats
import BitNN

/// A GGUF file as `inspect` shows it.
struct GGUFModel: InspectedModel {
  let metadata: [InspectedMetadata]
  let tensors: [InspectedTensor]
  let layers: [CodedLayer]
  let problems: [String]
  private let file: GGUFFile

  var source: String { file.source }
  var kind: String { "GGUF \(file.version)" }

  init(_ file: GGUFFile) {
    self.file = file
    metadata = file.metadata.entries.map {
      InspectedMetadata(key: $0.key, text: $0.value.inspectText, json: $0.value.inspectJSON)
    }
    tensors = file.tensors.map { tensor in
      let bits = Double(8 * tensor.byteRange.count) / Double(max(1, tensor.count))
      return InspectedTensor(
        name: tensor.name, type: tensor.type.name, shape: tensor.shape,
        bytes: tensor.byteRange.count,
        bits: tensor.type.blockBytes == nil || tensor.count == 0 ? nil : bits)
    }
    var layers: [CodedLayer] = []
    var problems: [String] = []
    for tensor in file.tensors {
      do {
        layers.append(try Self.layer(tensor, in: file))
      } catch {
        // What is wrong with the whole file is said once.
        let problem = error.description
        if error.kind != .mismatch, problems.last != problem { problems.append(problem) }
      }
    }
    (self.layers, self.problems) = (layers, problems)
  }

  var facts: [(name: String, value: String)] {
    guard file.tensors.contains(where: { $0.type == .i2_s }) else { return [] }
    return [("i2s_layout", file.i2sLayout.rawValue)]
  }

  private static func layer(
    _ tensor: GGUFTensorInfo, in file: GGUFFile
  ) throws(InputError) -> CodedLayer {
    let coded = try file.codedTensor(tensor.name)
    let (kind, count) = CodedLayer.scales(of: coded)
    return CodedLayer(
      name: tensor.name, tensorName: tensor.name, coded: coded, bytes: tensor.byteRange.count,
      scaleKind: kind, scaleCount: count,
      releasePages: { file.releasePages(0..<tensor.byteRange.count, of: tensor) })
  }

  func content(of name: String) throws(InputError) -> TensorContent {
    guard let tensor = file[name] else { preconditionFailure("\(name) is none of the tensors") }
    let file = file
    if let type = NumberType(tensor.type) {
      return .numbers(
        NumberStream(type, byteCount: tensor.byteRange.count) { (range) throws(InputError) in
          let values = try file.withUnsafeBytes(of: name) { bytes in
            type.doubles(UnsafeRawBufferPointer(rebasing: bytes[range]))
          }
          file.releasePages(range, of: tensor)
          return values
        })
    }
    do {
      return .codes(try Self.layer(tensor, in: file))
    } catch {
      guard error.kind == .mismatch else { throw error }
    }
    // Types that are not read say so here.
    _ = try file.values(name, rows: 0..<0)
    let rows = max(1, NumberStream.pieceCount / max(1, tensor.columns))
    return .numbers(
      NumberStream(pieces: (tensor.rows + rows - 1) / rows) { (piece) throws(InputError) in
        let values = try file.values(
          name, rows: piece * rows..<min(tensor.rows, (piece + 1) * rows))
        file.releasePages(0..<tensor.byteRange.count, of: tensor)
        return values.map { Double($0) }
      })
  }
}

extension GGUFValue {
  /// Elements of an array that are shown.
  private static var shownElements: Int { 8 }

  /// The value in a line; of a long array the first elements and their number.
  fileprivate var inspectText: String {
    // Beyond Int64, JSON has it rounded.
    if case .uint64(let value) = self { return "\(value)" }
    guard let array = arrayValue else { return stringValue ?? inspectJSON.encoded }
    let shown = (0..<min(array.count, Self.shownElements)).map {
      InspectText.shortened(array[$0].inspectJSON.encoded)
    }
    let list = shown.joined(separator: ", ")
    if array.count <= Self.shownElements { return "[\(list)]" }
    return "\(typeName), \(NumberText.grouped(array.count)): \(list), ..."
  }

  /// The value; of a long array an object with its type, its length and the first elements.
  fileprivate var inspectJSON: JSONValue {
    switch self {
    case .string(let text): return .string(text)
    case .bool(let value): return .bool(value)
    // Not through a double, which has more digits than the file.
    case .float32(let value): return .number(Double("\(value)") ?? Double(value))
    case .array(let array):
      let shown = (0..<min(array.count, Self.shownElements)).map { array[$0].inspectJSON }
      if array.count <= Self.shownElements { return .array(shown) }
      return [
        "type": .string(typeName), "count": .integer(Int64(array.count)), "first": .array(shown),
      ]
    default:
      return integerValue.map { .integer($0) } ?? doubleValue.map { .number($0) } ?? .null
    }
  }
}
