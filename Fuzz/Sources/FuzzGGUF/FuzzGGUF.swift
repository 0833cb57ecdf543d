import BitCore
import BitFormats

/// Any bytes are a GGUF file that reads, or one that is refused by a typed error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGGUF(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  if let file = try? GGUFFile(bytes: bytes) {
    readMetadata(file.metadata)
    for tensor in file.tensors { read(tensor, of: file) }
    readModel(file)
    if !file.tensors.contains(where: { [36, 42].contains($0.type.id) }) { return 0 }
  }
  // What a user may say about a file that does not tell it, or not enough.
  for options in [
    GGUFOptions(i2sLayout: .arm, q2BlockLength: 128),
    GGUFOptions(i2sLayout: .x86, q2BlockLength: 64),
  ] {
    guard let file = try? GGUFFile(bytes: bytes, options: options) else { continue }
    for tensor in file.tensors where [36, 42].contains(tensor.type.id) { read(tensor, of: file) }
  }
  return 0
}

/// Every value and every element, forwards and at single places.
private func readMetadata(_ metadata: GGUFMetadata) {
  for entry in metadata.entries {
    // Not compared: a NaN is not equal to itself.
    precondition(metadata[entry.key] != nil, "a key that is not found")
    guard let array = entry.value.arrayValue else {
      _ = (entry.value.integerValue, entry.value.doubleValue, entry.value.stringValue)
      continue
    }
    var elements = 0
    for element in array {
      precondition(element.arrayValue == nil, "an array in an array")
      elements += 1
    }
    precondition(elements == array.count, "\(elements) elements of \(array.count)")
    if let strings = entry.value.stringsValue {
      precondition(GGUFArray.string(strings) == array, "strings that change when they are copied")
    }
    if let last = array.indices.last { _ = array[last].stringValue }
  }
}

/// Values, codes and raw bytes, of tensors that are not too large.
private func read(_ tensor: GGUFTensorInfo, of file: GGUFFile) {
  guard tensor.count <= 1 << 16 else { return }
  if let values = try? file.tensor(tensor.name) {
    precondition(values.shape.extents == tensor.shape, "\(values.shape) of \(tensor.shape)")
  }
  if let codes = try? file.codedTensor(tensor.name) {
    for row in 0..<min(codes.rows, 4) { _ = try? codes.values(row..<row + 1) }
    if let matrix = try? codes.packedMatrix() {
      precondition(matrix.rows * matrix.columns == tensor.count, "codes that do not fit")
    }
  }
  let size = try? file.withUnsafeBytes(of: tensor.name) { bytes in
    _ = bytes.reduce(0) { $0 ^ $1 }
    return bytes.count
  }
  precondition(size == tensor.byteRange.count, "bytes that are not there")
}

/// The model as `convert`, `quantize` and `inspect` open it. A file that says it is one part of
/// several has no others here.
private func readModel(_ file: GGUFFile) {
  guard let model = try? ModelFile(file) else { return }
  for tensor in model.tensors where tensor.count <= 1 << 16 {
    _ = try? tensor.values(0..<min(tensor.rows, 4))
  }
}
