import BitCore
import BitFormats
import Foundation
import Testing

/// The main job at full size, with the release program that scripts/test names in
/// BITLINEAR_BINARY; a debug build would take an hour.
@Suite(
  .enabled(
    if: ProcessInfo.processInfo.environment["BITLINEAR_BINARY"] != nil
      && FileManager.default.fileExists(atPath: "/usr/share/datasets/fashion-mnist"),
    "needs a release build and Fashion-MNIST"))
struct MainJobTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: [("b158", 0.890), ("bitnet", 0.880)])
  func trainsPacksAndSaysTheSame(recipe: String, least: Double) async throws {
    let run = try await Program.run(
      ["train", "--recipe", recipe, "--json", "--out", folder.path("run")])
    #expect(run.code == 0)
    let json = try run.json()
    let accuracy = try #require(json["test_accuracy"] as? Double)
    #expect(accuracy >= least)
    #expect(json["packed_test_accuracy"] as? Double == accuracy)
    #expect(json["predictions_equal"] as? Bool == true)
    let floatBytes = try #require(json["float_bytes"] as? Int)
    let packedBytes = try #require(json["packed_bytes"] as? Int)
    #expect(12 * packedBytes <= floatBytes)
  }
}
