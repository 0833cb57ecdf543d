import BitCore
import BitFormats
import Foundation
import Testing

/// Model files and checkpoints that the program refuses, and files that it cannot write.
@Suite struct BadFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func train(_ more: [String] = []) async throws -> String {
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(data: data, out: folder.path("run"), epochs: 2, more))
    try #require(run.code == 0, "\(run.error)")
    return data
  }

  @Test func evalAndInspectRefuseWhatIsNoModel() async throws {
    let data = try await train()
    let packed = try folder.bytes("run/packed.safetensors")
    let text = try folder.write("text", "No model\n")
    let long = try folder.write("long", String(repeating: "This is not a model. ", count: 100))
    let cut = try folder.write("cut", Array(packed.dropLast(20)))
    let head = try folder.write("head", Array(packed.prefix(300)))
    let nowhere = folder.path("nowhere")
    let cases = [
      (nowhere, "No such file or directory", "a readable file"),
      (text, "a header of", "a safetensors header"), (long, "a header of", "a safetensors header"),
      (cut, "291 bytes of data", "the 311 that its tensors have"),
      (head, "a header of", "at most the 292 bytes that follow"),
    ]
    for (path, found, expected) in cases {
      for command in [["eval", path, "--data", data], ["inspect", path]] {
        let run = try await Program.run(command)
        run.expectRefusal(source: path, found: found, expected: expected)
      }
    }
    try await Program.run(["eval", data, "--data", data]).expectRefusal(
      source: data, found: "a folder", expected: "a regular file")
    try await Program.run(["inspect", data]).expectRefusal(
      source: data, found: "neither model.safetensors nor model.safetensors.index.json",
      expected: "one of them")
  }

  @Test func evalRefusesOtherTensors() async throws {
    let data = try await train()
    let checkpoint = folder.path("run/checkpoint.safetensors")
    try await Program.run(["eval", checkpoint, "--data", data]).expectRefusal(
      source: checkpoint, found: "a checkpoint of a training", expected: "a model")

    let foreign = try folder.write("foreign", Self.safetensors(metadata: "\"format\":\"pt\""))
    try await Program.run(["eval", foreign, "--data", data]).expectRefusal(
      source: foreign, found: "no metadata bitlinear.network",
      expected: "a model that bitlinear train wrote")
  }

  /// Metadata alone must not make the program allocate much.
  @Test(arguments: [
    ("64,60000,4000,3", "layers 64-60000-4000-3", "a network of which 4 bytes can hold"),
    ("64,65536,65536,3", "4299358208 weights", "at most 268435456"),
    ("64,-1,3", "64--1-3", "layers of 1 to 65536 features"),
    ("64,9000000000000000000,3", "64-9000000000000000000-3", "layers of 1 to 65536 features"),
  ])
  func evalRefusesBoastfulMetadata(
    features: String, found: String, expected: String
  ) async throws {
    let data = try TinyData().writeIDX(in: folder)
    let network =
      "{\\\"features\\\":[\(features)],\\\"recipe\\\":\\\"b158\\\",\\\"groups\\\":1,"
      + "\\\"mean\\\":0,\\\"deviation\\\":1}"
    let path = try folder.write(
      "boast", Self.safetensors(metadata: "\"bitlinear.network\":\"\(network)\""))
    let run = try await Program.run(["eval", path, "--data", data])
    run.expectRefusal(
      source: "\(path), metadata bitlinear.network", found: found, expected: expected)
  }

  /// A safetensors file of one float, zero.
  private static func safetensors(metadata: String) -> [UInt8] {
    let header =
      "{\"__metadata__\":{\(metadata)},"
      + "\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    return length + Array(header.utf8) + [0, 0, 0, 0]
  }

  @Test(arguments: [
    (["--layers", "21"], "architecture 64-18-3 b158", "64-21-3 b158"),
    (["--recipe", "bitnet"], "architecture 64-18-3 b158", "64-18-3 bitnet"),
    (["--epochs", "3"], "epochs 2", "3, as given now"),
    (["--batch-size", "8"], "batch size 16", "8, as given now"),
    (["--seed", "1"], "seed 0", "1, as given now"),
    (["--learning-rate", "0.5"], "learning rate ", ""),
  ])
  func resumeRefusesOtherOptions(
    more: [String], found: String, expected: String
  ) async throws {
    let data = try await train()
    let earlier = try EarlierRun(existingIn: folder)
    let run = try await Program.run(
      trainArguments(data: data, out: earlier.path, epochs: 2, ["--resume"] + more))
    run.expectRefusal(
      source: "\(earlier.path)/checkpoint.safetensors", found: found, expected: expected)
    try earlier.expectUntouched()
  }

  @Test func resumeRefusesOtherData() async throws {
    _ = try await train()
    let earlier = try EarlierRun(existingIn: folder)
    let other = try TinyData(seed: 9).writeIDX("other", in: folder)
    let run = try await Program.run(
      trainArguments(data: other, out: earlier.path, epochs: 2, ["--resume"]))
    run.expectRefusal(
      source: "\(earlier.path)/checkpoint.safetensors", found: "training data 64 samples",
      expected: "64 samples of 64 features, checksum ")
    try earlier.expectUntouched()
  }

  @Test func resumeNeedsAWholeCheckpoint() async throws {
    let samples = try await train()
    let arguments = trainArguments(data: samples, out: folder.path("run"), epochs: 2, ["--resume"])
    let whole = try folder.bytes("run/checkpoint.safetensors")
    let position = try #require(Data(whole).range(of: Data("bitlinear.position".utf8)))
    // The weights and two moments of each, and the random numbers.
    let data = 4 * 3 * 18 * (64 + 3) + 32
    var renamed = whole
    renamed[position.lowerBound] = UInt8(ascii: "X")
    let cases: [(bytes: [UInt8], found: String, expected: String)] = [
      ([], "0 bytes", "at least the 8 bytes of a header length"),
      (Array(whole.prefix(100)), "a header of", "at most the 92 bytes that follow"),
      (Array(whole.dropLast(9)), "\(data - 9) bytes of data", "the \(data) that its tensors have"),
      (renamed, "no metadata bitlinear.position", "a checkpoint"),
    ]
    for (broken, found, expected) in cases {
      try folder.write("run/checkpoint.safetensors", broken)
      let earlier = try EarlierRun(existingIn: folder)
      let run = try await Program.run(arguments)
      run.expectRefusal(
        source: "\(earlier.path)/checkpoint.safetensors", found: found, expected: expected)
      try earlier.expectUntouched()
    }
    try FileManager.default.removeItem(atPath: folder.path("run/checkpoint.safetensors"))
    let earlier = try EarlierRun(existingIn: folder)
    try await Program.run(arguments).expectRefusal(
      source: "--resume", found: "no checkpoint.safetensors in \(earlier.path)",
      expected: "one; without --resume a training starts from the beginning")
    try earlier.expectUntouched()
  }

  @Test func predictionsNeedAFileName() async throws {
    let data = try await train()
    let eval = ["eval", folder.path("run/packed.safetensors"), "--data", data, "--predictions"]
    try await Program.run(eval + [data]).expectRefusal(
      source: data, found: "a folder", expected: "a regular file or a new name")
    let nowhere = folder.path("no/such")
    try await Program.run(eval + [nowhere]).expectRefusal(
      source: nowhere, found: "No such file or directory", expected: "to write the file")
  }

  /// A limit on the size of files stands for a full disk. The shell counts in 512 bytes.
  @Test(arguments: [(8, "checkpoint.safetensors"), (60, "report.html")])
  func fullDiskLeavesEarlierFiles(blocks: Int, file: String) async throws {
    let data = try await train()
    let earlier = try EarlierRun(existingIn: folder)
    let limit = "ulimit -f \(blocks); trap '' XFSZ; exec \"$@\""
    let run = try await Program.run(
      trainArguments(data: data, out: earlier.path, epochs: 2),
      wrapper: ["/bin/sh", "-c", limit, "sh"])
    run.expectRefusal(
      source: "\(earlier.path)/\(file)", found: "File too large", expected: "to write")
    let names = folder.names("run")
    #expect(names.count == 6 && !names.contains { $0.hasPrefix(".") })
    if blocks == 8 { try earlier.expectUntouched() }
    let resumed = try await Program.run(
      trainArguments(data: data, out: earlier.path, epochs: 2, ["--resume"]))
    #expect(resumed.code == 0 && resumed.complaints == [])
  }
}
