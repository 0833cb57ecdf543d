import BitCore
import BitFormats
import Foundation
import Testing

/// A GGUF file made by hand, right or wrong, without the library's writer.
struct HandMadeGGUF {
  struct Info {
    var name: String
    /// Innermost first, as in the file.
    var extents: [Int64]
    var type: UInt32
    var offset: UInt64
  }

  var magic = Array("GGUF".utf8)
  var version: UInt32 = 3
  /// Key, type and the bytes of the value.
  var pairs: [(key: String, type: UInt32, value: [UInt8])] = []
  var infos: [Info] = []
  var data: [UInt8] = []
  var alignment = 32
  /// Instead of the true numbers.
  var pairCount: UInt64?
  var tensorCount: UInt64?

  static func little(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  static func string(_ text: String) -> [UInt8] {
    little(UInt64(text.utf8.count)) + Array(text.utf8)
  }

  var bytes: [UInt8] {
    var bytes = magic + Self.little(version)
    bytes += Self.little(tensorCount ?? UInt64(infos.count))
    bytes += Self.little(pairCount ?? UInt64(pairs.count))
    for pair in pairs { bytes += Self.string(pair.key) + Self.little(pair.type) + pair.value }
    for info in infos {
      bytes += Self.string(info.name) + Self.little(UInt32(info.extents.count))
      for extent in info.extents { bytes += Self.little(extent) }
      bytes += Self.little(info.type) + Self.little(info.offset)
    }
    if !infos.isEmpty {
      while !bytes.count.isMultiple(of: alignment) { bytes.append(0) }
    }
    return bytes + data
  }

  /// Adds a tensor with its data, padded.
  mutating func add(_ name: String, _ extents: [Int64], type: UInt32, _ content: [UInt8]) {
    infos.append(Info(name: name, extents: extents, type: type, offset: UInt64(data.count)))
    data += content
    while !data.count.isMultiple(of: alignment) { data.append(0) }
  }

  /// A file of one tensor.
  static func one(_ extents: [Int64], type: UInt32, _ content: [UInt8]) -> HandMadeGGUF {
    var file = HandMadeGGUF()
    file.add("t", extents, type: type, content)
    return file
  }
}

enum GGUFGolden {
  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Golden.data("gguf/" + name))
  }

  static func file(_ name: String) throws -> GGUFFile {
    try GGUFFile(bytes: bytes(name), source: name)
  }

  static func safetensors(_ name: String) throws -> SafetensorsFile {
    try SafetensorsFile(bytes: bytes(name), source: name)
  }
}

/// The raw bytes of a tensor.
func data(of name: String, in file: GGUFFile) throws -> [UInt8] {
  try file.withUnsafeBytes(of: name) { Array($0) }
}

/// Random ternary codes.
func randomCodes(
  _ count: Int, seed: UInt64, alphabet: WeightAlphabet = .ternary
) -> [Int8] {
  var generator = SeededGenerator(seed: seed)
  return (0..<count).map { _ in
    alphabet == .sign
      ? (Bool.random(using: &generator) ? 1 : -1) : Int8.random(in: -1...1, using: &generator)
  }
}

func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
