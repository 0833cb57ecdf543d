import BitFormats

/// Any bytes are a GGUF file that reads, or one that is refused by a typed error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGGUF(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  guard let file = try? GGUFFile(bytes: bytes) else { return 0 }
  for tensor in file.tensors where tensor.count <= 1 << 20 {
    _ = try? file.tensor(tensor.name)
    _ = try? file.packedMatrix(tensor.name)
    _ = try? file.withUnsafeBytes(of: tensor.name) { $0.reduce(0) { $0 ^ $1 } }
  }
  return 0
}
