import BitCore
import BitFormats

/// A tensor of a safetensors file as bytes, to be changed.
package struct RawTensor {
  package var name: String
  package var dtype: DType
  package var shape: [Int]
  package var bytes: [UInt8]

  package init(name: String, dtype: DType, shape: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }
}

/// Writes a safetensors file again after a change.
package func edit(
  _ path: String, _ change: (inout [RawTensor], inout [String: String]) throws -> Void
) throws {
  let file = try SafetensorsFile(path: path)
  var metadata = file.metadata
  var tensors = try file.tensors.map { tensor in
    RawTensor(
      name: tensor.name, dtype: tensor.dtype, shape: tensor.shape,
      bytes: try file.withUnsafeBytes(of: tensor.name) { Array($0) })
  }
  try change(&tensors, &metadata)
  let entries = tensors.map {
    SafetensorsEntry($0.name, dtype: $0.dtype, shape: $0.shape, bytes: $0.bytes)
  }
  try SafetensorsWriter.write(entries, metadata: metadata, to: path)
}

extension [RawTensor] {
  package subscript(name: String) -> RawTensor {
    get { self[index(of: name)] }
    set { self[index(of: name)] = newValue }
  }

  private func index(of name: String) -> Int {
    guard let index = firstIndex(where: { $0.name == name }) else {
      preconditionFailure("no tensor \(name)")
    }
    return index
  }
}

/// The bytes of a float32.
package func bytes(_ value: Float) -> [UInt8] {
  withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
}
