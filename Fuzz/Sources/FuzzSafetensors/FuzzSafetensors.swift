import BitFormats

/// Any bytes are a safetensors file that reads, or one that is refused by a typed error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  guard let file = try? SafetensorsFile(bytes: bytes) else { return 0 }
  for tensor in file.tensors {
    _ = try? file.tensor(tensor.name)
    _ = try? file.withUnsafeBytes(of: tensor.name) { $0.reduce(0) { $0 ^ $1 } }
  }
  for name in (try? PackedLayerCoding.names(in: file)) ?? [] {
    _ = try? PackedLayerCoding.decode(name, from: file)
  }
  return 0
}
