import BitCore
import BitFormats

/// Any bytes are a safetensors file that reads, or one that is refused by a typed error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  guard let file = try? SafetensorsFile(bytes: bytes) else { return 0 }
  for tensor in file.tensors { read(tensor, of: file) }
  for name in (try? file.packedLayerNames()) ?? [] {
    if let layer = try? file.packedLayer(name), layer.inFeatures <= 1 << 12 {
      _ = layer(Tensor(repeating: 0.5, shape: [1, layer.inFeatures]))
    }
  }
  readModel(file)
  return 0
}

/// Values, rows and raw bytes of a tensor.
private func read(_ tensor: SafetensorsTensorInfo, of file: SafetensorsFile) {
  if let values = try? file.tensor(tensor.name) {
    precondition(values.shape.extents == tensor.shape, "\(values.shape) of \(tensor.shape)")
  }
  _ = try? file.integers(tensor.name)
  if let rows = tensor.shape.first, rows > 0 {
    _ = try? file.tensor(tensor.name, rows: rows - 1..<rows)
    _ = try? file.withUnsafeBytes(of: tensor.name, rows: 0..<1) { $0.reduce(0) { $0 ^ $1 } }
  }
  _ = try? file.withUnsafeBytes(of: tensor.name) { $0.reduce(0) { $0 ^ $1 } }
}

/// The model as `convert`, `quantize` and `inspect` open it, with what its metadata says about the
/// scales of Hugging Face layers; and its layers, ready to run.
private func readModel(_ file: SafetensorsFile) {
  guard let model = try? ModelFile(file) else { return }
  for tensor in model.tensors where tensor.rows <= 1 << 12 {
    readCodes(of: tensor)
    if tensor.name.hasSuffix(".weight") {
      _ = try? model.packedLayer(String(tensor.name.dropLast(7)))
    }
  }
}

/// Codes, scales and values, row by row and as a matrix.
private func readCodes(of tensor: ModelTensor) {
  if case .codes(let codes) = tensor.content {
    for row in 0..<min(codes.rows, 4) { _ = try? codes.rows(row..<row + 1) }
    if let matrix = try? codes.packedMatrix() {
      precondition(matrix.rows * matrix.columns == tensor.count, "codes that do not fit")
    }
  }
  _ = try? tensor.values(0..<tensor.rows)
}
