import BitCore
import BitFormats
import Foundation
import Testing

/// Calls `body` with the path of a new folder, which is removed afterwards.
func withTemporaryFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("BitFormatsTests-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path)
}

/// The names in a folder, hidden ones too, sorted.
func names(in folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

func bytes(ofFile path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

func bytes(hex: String) -> [UInt8] {
  let digits = hex.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map {
    UInt8(digits[$0] << 4 | digits[$0 + 1])
  }
}

/// The cases of the reference reader and writer.
struct Golden: Decodable {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let hex: String
    let safe_open: String

    var testDescription: String { name }
    var bytes: [UInt8] { BitFormatsTests.bytes(hex: hex) }
    var isAccepted: Bool { safe_open.hasPrefix("ok:") }
  }

  struct Example: Decodable { let hex: String }

  let cases: [Case]
  let writer_example: Example

  static func data(_ name: String) throws -> Data {
    let url = Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Golden")
    guard let url else { throw CocoaError(.fileNoSuchFile) }
    return try Data(contentsOf: url)
  }

  static func load() throws -> Golden {
    try JSONDecoder().decode(Golden.self, from: data("safetensors_cases.json"))
  }
}

/// A safetensors file of a header and data.
func safetensors(_ header: String, data: [UInt8] = []) -> [UInt8] {
  let text = Array(header.utf8)
  return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text + data
}
