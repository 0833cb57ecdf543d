import BitCore
import BitFormats
import BitNN
import Foundation
import Testing

/// `inspect` on GGUF files.
@Suite struct InspectGGUFTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write(
    _ entries: [GGUFEntry], _ more: GGUFMetadata = [:], name: String = "x.gguf"
  ) throws -> String {
    var metadata: GGUFMetadata = ["general.architecture": .string("bitnet-b1.58")]
    for entry in more.entries { metadata[entry.key] = entry.value }
    try GGUFWriter.write(entries, metadata: metadata, to: folder.path(name))
    return folder.path(name)
  }

  /// Two rows of 256: -1 and zeros with scale 0.5, then +1 and zeros with scale 2.
  private func coded() throws -> CodedTensor {
    try CodedTensor(
      codes: (0..<512).map { $0 % 4 > 0 ? 0 : $0 < 256 ? -1 : 1 }, rows: 2, columns: 256,
      scaleKind: .block(columns: 256), scales: [0.5, 2], source: "test")
  }

  @Test func tensorsAndMetadataAreListed() async throws {
    let path = try write(
      [
        GGUFEntry("a.weight", try coded(), type: .tq2_0),
        GGUFEntry("norm", Tensor([1, 2, 3, 6])),
      ],
      [
        "big": .uint64(.max), "pi": .float32(3.14), "yes": .bool(true),
        "short": .array(.int32([1, -2])), "words": .array(.string((0..<1000).map { "w\($0)" })),
        "text": .string("two\nlines"),
      ], name: "without-extension")
    let run = try await Program.run(["inspect", path])
    #expect(run.code == 0 && run.error == "")
    for line in [
      "big                   18446744073709551615", "pi                    3.14",
      "short                 [1, -2]", "text                  two lines",
      "a.weight  TQ2_0  [2, 256]    132            2.06",
      "norm      F32    [4]          16              32",
      "a.weight      ternary  2 x 256              2.06  12.5%  75.0%  12.5%  0.5 to 2.0",
    ] {
      #expect(run.lines.contains(Substring(line)), "\(line)\n\(run.output)")
    }
    let words = try #require(run.lines.first { $0.hasPrefix("words ") })
    #expect(words.contains("array of string, 1,000: \"w0\", \"w1\"") && words.count < 100)

    let json = try await Program.run(["inspect", path, "--json"]).json()
    #expect(json["format"] as? String == "GGUF 3")
    let metadata = try #require(json["metadata"] as? [String: Any])
    #expect(metadata["pi"] as? Double == 3.14)
    #expect(metadata["short"] as? [Int] == [1, -2])
    let list = try #require(metadata["words"] as? [String: Any])
    #expect(list["count"] as? Int == 1000 && (list["first"] as? [String])?.count == 8)
    let layer = try #require((json["packed_layers"] as? [[String: Any]])?.first)
    #expect(layer["scale_kind"] as? String == "block of 256")
    #expect(layer["scale_count"] as? Int == 2)
    #expect(layer["scale_minimum"] as? Double == 0.5 && layer["scale_maximum"] as? Double == 2)
  }

  @Test(arguments: [GGUFTensorType.tq1_0, .tq2_0])
  func ternaryTensorsHaveCodesAndScales(type: GGUFTensorType) async throws {
    let path = try write([GGUFEntry("w", try coded(), type: type)])
    let json = try await Program.run(["inspect", path, "--tensor", "w", "--json"]).json()
    let codes = try #require(json["codes"] as? [String: Any])
    #expect(codes["minus_ones"] as? Int == 64 && codes["plus_ones"] as? Int == 64)
    #expect(codes["zeros"] as? Int == 384)
    let values = try #require(json["values"] as? [String: Any])
    #expect(values["minimum"] as? Double == -0.5 && values["maximum"] as? Double == 2)
    #expect(values["mean"] as? Double == 0.1875)
    #expect(values["mean_magnitude"] as? Double == 0.3125)
    let run = try await Program.run(["inspect", path, "--tensor", "w"])
    #expect(run.code == 0 && run.error == "")
    let bars = run.lines.filter { $0.contains("#") }
    #expect(
      bars.map { $0.split(separator: " ").prefix(3) } == [
        ["-1", "12.5%", "64"], ["0", "75.0%", "384"], ["+1", "12.5%", "64"],
      ])
    #expect(run.output.contains("Scales          2, one per block of 256\n"))
  }

  @Test func signTensorsHaveNoZero() async throws {
    let tensor = try CodedTensor(
      codes: (0..<256).map { $0 % 4 == 0 ? -1 : 1 }, rows: 2, columns: 128, alphabet: .sign,
      scaleKind: .block(columns: 128), scales: [1, 0.25], source: "test")
    let path = try write([GGUFEntry("w", tensor, type: .q1_0)])
    let json = try await Program.run(["inspect", path, "--tensor", "w", "--json"]).json()
    let codes = try #require(json["codes"] as? [String: Any])
    #expect(codes["alphabet"] as? String == "sign")
    #expect(codes["shares"] as? [Double] == [0.25, 0, 0.75])
    #expect((json["values"] as? [String: Any])?["mean"] as? Double == 0.3125)
  }

  @Test func blocksOfNumbersAreRead() async throws {
    let values = Tensor((0..<64).map { Float($0 % 32) - 4 }, shape: [2, 32])
    let path = try write([GGUFEntry("w", values, type: .q8_0), GGUFEntry("h", values, type: .f16)])
    for name in ["w", "h"] {
      let json = try await Program.run(["inspect", path, "--tensor", name, "--json"]).json()
      let found = try #require(json["values"] as? [String: Any])
      #expect(found["count"] as? Int == 64 && found["zeros"] as? Int == 2, "\(name)")
      #expect(abs(try #require(found["maximum"] as? Double) - 27) < 0.02, "\(name)")
      #expect(abs(try #require(found["mean"] as? Double) - 11.5) < 0.1, "\(name)")
      let counts = (json["histogram"] as? [String: Any])?["counts"] as? [Int]
      #expect(counts?.count == 16 && counts?.reduce(0, +) == 64, "\(name)")
    }
  }

  @Test func zeroTensorsAreNamed() async throws {
    let zero = try CodedTensor(
      codes: [Int8](repeating: 0, count: 256), rows: 1, columns: 256,
      scaleKind: .block(columns: 256), scales: [1], source: "test")
    let path = try write([GGUFEntry("w", zero, type: .tq1_0)])
    let run = try await Program.run(["inspect", path, "--tensor", "w"])
    #expect(run.code == 0 && run.output.hasSuffix("\nAll values are zero.\n"))
  }

  /// The layouts have the same codes in other places, so that only the values' order tells them.
  @Test func layoutOfI2SCanBeGiven() async throws {
    let tensor = try CodedTensor(
      codes: (0..<128).map { $0 < 64 ? 1 : 0 }, rows: 1, columns: 128, scaleKind: .tensor,
      scales: [0.5], source: "test")
    let path = try write([GGUFEntry("w", tensor, type: .i2_s)])
    for (options, layout) in [
      ([], "x86-128"), (["--i2s-layout", "x86"], "x86-128"), (["--i2s-layout", "arm"], "arm-64"),
    ] {
      let json = try await Program.run(["inspect", path, "--json"] + options).json()
      #expect(json["i2s_layout"] as? String == layout)
      let layer = try #require((json["packed_layers"] as? [[String: Any]])?.first)
      #expect(layer["code_shares"] as? [Double] == [0, 0.5, 0.5])
    }
  }

  @Test func unknownTypesAreListedByNumber() async throws {
    let path = try write([GGUFEntry("w", Tensor([1, 2, 3, 4, 5, 6, 7, 8]))])
    var bytes = try folder.bytes("x.gguf")
    // The type is the number after the name and the extents.
    let name = try #require(Data(bytes).range(of: Data([1, 0, 0, 0, 0, 0, 0, 0, 0x77])))
    let place = name.upperBound + 4 + 8
    try #require(bytes[place..<place + 4] == [0, 0, 0, 0])
    bytes[place] = 250
    try folder.write("x.gguf", bytes)
    let run = try await Program.run(["inspect", path])
    #expect(run.code == 0, "\(run.error)")
    #expect(run.output.contains("w       type 250  [8]       32  -\n"), "\(run.output)")
    try await Program.run(["inspect", path, "--tensor", "w"]).expectRefusal(
      source: "\(path), tensor \"w\"", found: "type 250", expected: "F32, F16, BF16")
  }

  @Test func rotatedWeightsAndBadCodesAreProblems() async throws {
    let path = try write(
      [GGUFEntry("w", try coded(), type: .tq2_0), GGUFEntry("norm", Tensor([1]))],
      ["prism.hadamard.size": .uint32(64)])
    let run = try await Program.run(["inspect", path])
    #expect(run.code == 0 && run.output.contains("Problem: \(path): found the key"))
    #expect(try await Program.run(["inspect", path, "--tensor", "norm"]).code == 0)

    let plain = try write([GGUFEntry("w", try coded(), type: .tq2_0)])
    var bytes = try folder.bytes("x.gguf")
    // The last block: 64 bytes of codes, two of the scale, 28 of padding.
    let end = try #require(bytes.lastIndex { $0 != 0 })
    bytes[end - 2] = 0xff
    try folder.write("x.gguf", bytes)
    let bad = try await Program.run(["inspect", plain])
    #expect(bad.code == 0 && bad.output.contains("found the code +2 in row 1"), "\(bad.output)")
    try await Program.run(["inspect", plain, "--tensor", "w"]).expectRefusal(
      source: "\(plain), tensor \"w\"", found: "the code +2 in row 1", expected: "-1, 0 or +1")
  }

  @Test func brokenFilesAreRefused() async throws {
    let path = try write([GGUFEntry("w", try coded(), type: .tq2_0)])
    let whole = try folder.bytes("x.gguf")
    for count in [0, 3, 20, 60, whole.count - 100] {
      try folder.write("x.gguf", Array(whole.prefix(count)))
      let run = try await Program.run(["inspect", path])
      #expect(run.code == 1 && run.output == "", "\(count)")
      #expect(run.complaints.count == 1 && run.error.contains(path), "\(run.error)")
      #expect(run.error.contains(", expected "), "\(run.error)")
    }
    try folder.write("x.gguf", "This is no model.\n")
    let text = try await Program.run(["inspect", path])
    #expect(text.code == 1 && text.output == "" && text.complaints.count == 1)
  }
}
