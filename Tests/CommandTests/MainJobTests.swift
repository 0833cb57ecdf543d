import Foundation
import Testing

@testable import bitlinear

/// The main job at full size, with the program as users build it. It needs the release binary
/// (BITLINEAR_RELEASE_BINARY, which scripts/test sets) and Fashion-MNIST.
@Suite(
  .enabled(
    if: ProcessInfo.processInfo.environment["BITLINEAR_RELEASE_BINARY"] != nil
      && FileManager.default.fileExists(atPath: "/usr/share/datasets/fashion-mnist"),
    "needs a release build and Fashion-MNIST"), .serialized)
struct MainJobTests {
  @Test(arguments: [("b158", 0.890), ("bitnet", 0.880)])
  func trainsPacksAndSaysTheSame(recipe: String, least: Double) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "bitlinear-main-job-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(
      fileURLWithPath: try #require(
        ProcessInfo.processInfo.environment["BITLINEAR_RELEASE_BINARY"]))
    process.arguments = ["train", "--recipe", recipe, "--json", "--out", folder.path]
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    let last = try #require(text.split(separator: "\n").last)
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
    let accuracy = try #require(json["test_accuracy"] as? Double)
    #expect(accuracy >= least)
    #expect(json["packed_test_accuracy"] as? Double == accuracy)
    #expect(json["predictions_equal"] as? Bool == true)
    let floatBytes = try #require(json["float_bytes"] as? Int)
    let packedBytes = try #require(json["packed_bytes"] as? Int)
    #expect(12 * packedBytes <= floatBytes)
  }
}
