import Foundation

/// The folder of the model files that other programs wrote.
let goldenFolder = DocumentationTests.root.path + "/Tests/BitFormatsTests/Golden"

/// Calls `body` with a new folder, which is removed afterwards.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "bitlinear-documentation-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder.path)
}
