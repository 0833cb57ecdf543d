import Foundation

/// The folder of the model files that other programs wrote.
let goldenFolder = DocumentationTests.root.path + "/Tests/BitFormatsTests/Golden"

/// Calls `body` with a new folder, which is removed afterwards.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  let folder = try makeTemporaryFolder()
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder.path)
}

/// The same for a body that waits.
func withTemporaryFolder(_ body: (String) async throws -> Void) async throws {
  let folder = try makeTemporaryFolder()
  defer { try? FileManager.default.removeItem(at: folder) }
  try await body(folder.path)
}

private func makeTemporaryFolder() throws -> URL {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "bitlinear-documentation-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  return folder
}
