import BitCore
import BitFormats
@testable import BitNN

/// A tensor of a safetensors file as bytes, to be changed.
struct RawTensor {
  var name: String
  var dtype: DType
  var shape: [Int]
  var bytes: [UInt8]
}

/// Writes a safetensors file again after a change.
func edit(
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
  subscript(name: String) -> RawTensor {
    get { self[place(name)] }
    set { self[place(name)] = newValue }
  }

  private func place(_ name: String) -> Int {
    guard let place = firstIndex(where: { $0.name == name }) else {
      preconditionFailure("no tensor \(name)")
    }
    return place
  }
}

/// The bytes of a float32.
func bytes(_ value: Float) -> [UInt8] {
  withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
}
