import BitCore
import BitFiles
import BitFormats
import CBitLinear

/// The object behind a handle of a file, with the C strings that callers see.
final class FileHandle: @unchecked Sendable {
  // Unchecked because of the C memory below, which is only written before the handle is returned.
  let file: SafetensorsFile
  let layers: [(name: String, text: UnsafePointer<CChar>)]
  let tensors: [bitlinear_tensor]
  let metadata: UnsafePointer<CChar>
  private let memory: CMemory

  init(path: String) throws(InputError) {
    file = try SafetensorsFile(path: path)
    memory = CMemory()
    let names = try file.packedLayerNames()
    layers = names.map { [memory] in ($0, memory.text($0)) }
    let used = Set(names.flatMap { name in PackedLayerFile.parts.map { "\(name).\($0)" } })
    var tensors: [bitlinear_tensor] = []
    for tensor in file.tensors where !used.contains(tensor.name) {
      let data = try file.withUnsafeBytes(of: tensor.name) { $0.baseAddress }
      tensors.append(
        bitlinear_tensor(
          name: memory.text(tensor.name), dtype: memory.text(tensor.dtype.rawValue),
          rank: Int32(tensor.shape.count), shape: memory.extents(tensor.shape), data: data,
          byte_count: Int64(tensor.byteRange.count)))
    }
    self.tensors = tensors
    var members = JSONObject()
    for (key, value) in file.metadata.sorted(by: { $0.key < $1.key })
    where key != PackedLayerFile.metadataKey {
      members[key] = .string(value)
    }
    metadata = memory.text(JSONValue.object(members).encoded)
  }

  /// The object behind a handle.
  static func of(_ handle: OpaquePointer?) -> FileHandle? {
    handle.map {
      Unmanaged<FileHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue()
    }
  }
}

/// Memory for C callers, all of which is freed together.
private final class CMemory {
  private var blocks: [UnsafeMutableRawPointer] = []

  func text(_ string: String) -> UnsafePointer<CChar> {
    var utf8 = Array(string.utf8CString)
    return UnsafePointer(copy(&utf8))
  }

  func extents(_ shape: [Int]) -> UnsafePointer<Int64> {
    var extents = shape.map { Int64($0) }
    return UnsafePointer(copy(&extents))
  }

  private func copy<T: BitwiseCopyable>(_ values: inout [T]) -> UnsafeMutablePointer<T> {
    let block = UnsafeMutablePointer<T>.allocate(capacity: max(1, values.count))
    block.initialize(from: values, count: values.count)
    blocks.append(UnsafeMutableRawPointer(block))
    return block
  }

  deinit {
    for block in blocks { block.deallocate() }
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_save(
  _ path: UnsafePointer<CChar>?, _ layers: UnsafePointer<bitlinear_named_layer>?,
  _ layer_count: Int64, _ tensors: UnsafePointer<bitlinear_tensor>?, _ tensor_count: Int64,
  _ metadata: UnsafePointer<CChar>?
) -> Int32 {
  status { () throws(Failure) in
    let path = String(cString: try required(path, "path"))
    var packed: [(name: String, layer: PackedBitLinear)] = []
    for entry in try elements(layers, layer_count, "layers") {
      packed.append(
        (String(cString: try required(entry.name, "name")), try PackedHandle.layer(entry.layer)))
    }
    let strings = try metadataStrings(metadata)
    var entries: [SafetensorsEntry] = []
    for tensor in try elements(tensors, tensor_count, "tensors") {
      entries.append(try SafetensorsEntry(tensor))
    }
    try input { () throws(InputError) in
      try PackedLayerFile.write(packed, tensors: entries, metadata: strings, to: path)
    }
  }
}

/// A caller's array.
private func elements<T>(
  _ pointer: UnsafePointer<T>?, _ count: Int64, _ name: String
) throws(Failure) -> UnsafeBufferPointer<T> {
  guard 0...Int64(Int32.max) ~= count else {
    throw .argument("number of \(name)", count, "0 or more")
  }
  return UnsafeBufferPointer(
    start: count == 0 ? nil : try required(pointer, name), count: Int(count))
}

private func metadataStrings(
  _ text: UnsafePointer<CChar>?
) throws(Failure) -> [String: String] {
  var strings = ["format": "pt"]
  guard let text else { return strings }
  let json = try input { () throws(InputError) in
    try JSONValue(parsing: String(cString: text), source: "metadata")
  }
  guard let members = json.objectValue else {
    throw .argument("metadata", json.encoded, "a JSON object")
  }
  for member in members {
    guard let value = member.value.stringValue, member.key != PackedLayerFile.metadataKey else {
      throw .argument(
        "metadata \(member.key)", member.value.encoded,
        "a string, and not the key \(PackedLayerFile.metadataKey)")
    }
    strings[member.key] = value
  }
  return strings
}

extension SafetensorsEntry {
  /// A caller's tensor, whose memory must stay valid until it is written.
  fileprivate init(_ tensor: bitlinear_tensor) throws(Failure) {
    let name = String(cString: try required(tensor.name, "name of a tensor"))
    let typeName = String(cString: try required(tensor.dtype, "dtype of \(name)"))
    guard let dtype = DType(rawValue: typeName) else {
      throw .argument("dtype of \(name)", "\"\(typeName)\"", "a type of safetensors, such as F32")
    }
    let extents = try elements(tensor.shape, Int64(tensor.rank), "extents of \(name)")
    let shape = extents.map { Int(clamping: $0) }
    let expected = try input { () throws(InputError) in
      try dtype.byteCount(of: shape, source: name)
    }
    guard tensor.byte_count == expected else {
      throw .mismatch(
        name, "\(tensor.byte_count) bytes", "\(expected) for \(typeName) \(shape)")
    }
    nonisolated(unsafe) let data = UnsafeRawBufferPointer(
      start: expected == 0 ? nil : try required(tensor.data, "data of \(name)"), count: expected)
    self.init(name, dtype: dtype, shape: shape) { (writer) throws(InputError) in
      try writer.write(data)
    }
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_open(
  _ path: UnsafePointer<CChar>?, _ file: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status { () throws(Failure) in
    let target = try required(file, "file")
    let path = String(cString: try required(path, "path"))
    let handle = try input { () throws(InputError) in try FileHandle(path: path) }
    target.pointee = OpaquePointer(Unmanaged.passRetained(handle).toOpaque())
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_file_layer_count(_ file: OpaquePointer?) -> Int64 {
  Int64(FileHandle.of(file)?.layers.count ?? 0)
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_file_tensor_count(_ file: OpaquePointer?) -> Int64 {
  Int64(FileHandle.of(file)?.tensors.count ?? 0)
}

/// One layer or tensor of a file, by its index.
private func element<T>(_ list: [T], _ index: Int64, _ name: String) throws(Failure) -> T {
  guard index >= 0, index < list.count else {
    throw .argument("index", index, "0..<\(list.count), the \(name) of the file")
  }
  return list[Int(index)]
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_file_layer(
  _ file: OpaquePointer?, _ index: Int64, _ name: UnsafeMutablePointer<UnsafePointer<CChar>?>?,
  _ packed: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status { () throws(Failure) in
    let handle = try required(FileHandle.of(file), "file")
    let entry = try element(handle.layers, index, "packed layers")
    let (name, target) = (try required(name, "name"), try required(packed, "packed"))
    let layer = try input { () throws(InputError) in
      try handle.file.packedLayer(entry.name)
    }
    guard layer.recipe.activations.range == .symmetric else {
      throw .input(
        InputError(
          .unsupported, source: "\(handle.file.source), layer \(entry.name)",
          found: "activation codes of the full range", expected: "symmetric ones, -Q to Q"))
    }
    name.pointee = entry.text
    target.pointee = PackedHandle.make(layer)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_file_tensor(
  _ file: OpaquePointer?, _ index: Int64, _ tensor: UnsafeMutablePointer<bitlinear_tensor>?
) -> Int32 {
  status { () throws(Failure) in
    let handle = try required(FileHandle.of(file), "file")
    let entry = try element(handle.tensors, index, "tensors")
    try required(tensor, "tensor").pointee = entry
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_file_metadata(_ file: OpaquePointer?) -> UnsafePointer<CChar>? {
  FileHandle.of(file)?.metadata
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_close(_ file: OpaquePointer?) {
  guard let file else { return }
  Unmanaged<FileHandle>.fromOpaque(UnsafeRawPointer(file)).release()
}
