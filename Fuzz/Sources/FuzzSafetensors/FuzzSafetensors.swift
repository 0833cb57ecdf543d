import BitCore
import BitFormats
import Glibc

/// Where inputs are put for what opens only files; scripts/fuzz runs this from the root of the
/// repository.
private let inputPath = ".build-fuzz/FuzzSafetensors.safetensors"

/// Any bytes are a safetensors file that reads, or one that is refused by a typed error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  guard let file = try? SafetensorsFile(bytes: bytes) else { return 0 }
  for tensor in file.tensors { read(tensor, of: file) }
  for name in (try? PackedLayerFile.names(in: file)) ?? [] {
    if let layer = try? PackedLayerFile.decode(name, from: file), layer.inFeatures <= 1 << 12 {
      _ = layer(Tensor(repeating: 0.5, shape: [1, layer.inFeatures]))
    }
  }
  if file.tensors.contains(where: { $0.name.hasSuffix(".weight") }) { readCheckpoint(bytes) }
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

/// The layers in the way of Hugging Face, with what the file says about them and with both
/// meanings of a scale; and the layers as a conversion sees them.
private func readCheckpoint(_ bytes: [UInt8]) {
  guard let file = fopen(inputPath, "w") else { preconditionFailure("cannot write \(inputPath)") }
  fwrite(bytes, 1, bytes.count, file)
  fclose(file)
  if let source = try? ModelFile(path: inputPath) {
    for tensor in source.tensors {
      guard case .codes(let codes) = tensor.content, codes.rows <= 1 << 12 else { continue }
      _ = try? codes.values(0..<codes.rows)
      _ = try? codes.packedMatrix()
    }
  }
  guard let checkpoint = try? ShardedSafetensors(path: inputPath) else {
    preconditionFailure("a file that opens in memory but not from the disk")
  }
  for quantization in [
    HuggingFaceQuantization(linearClass: .bitlinear),
    HuggingFaceQuantization(linearClass: .autobitlinear, usesRMSNorm: true),
  ] {
    for name in checkpoint.huggingFaceLayerNames {
      _ = try? HuggingFaceLayer(name, from: checkpoint, quantization: quantization)
    }
  }
}
