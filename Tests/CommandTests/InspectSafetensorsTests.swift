import BitCore
import BitFormats
import BitNN
import Foundation
import Testing

@testable import bitlinear

/// `inspect` on safetensors files, indexes and folders.
@Suite struct InspectSafetensorsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Codes of 8 x 4, of which 8 are -1, 20 are 0 and 4 are +1.
  private static let codes: [Int8] = (0..<32).map { $0 % 4 == 0 ? -1 : $0 % 8 == 3 ? 1 : 0 }

  /// A Hugging Face checkpoint of one packed layer and a norm, in one file or two.
  private func checkpoint(
    linearClass: String?, scale: Float = 4, isSharded: Bool = false, badByte: UInt8? = nil
  ) throws -> String {
    let packing = try HuggingFacePacking(rows: 8, columns: 4, source: "test")
    var bytes = try packing.pack(packedRows: 0..<2, source: "test") { rows in
      Array(Self.codes[rows.lowerBound * 4..<rows.upperBound * 4])
    }
    if let badByte { bytes[5] = badByte }
    let parts = [
      [
        SafetensorsEntry("l.weight", dtype: .u8, shape: [2, 4], bytes: bytes),
        SafetensorsEntry("l.weight_scale", Tensor([scale])),
      ],
      [SafetensorsEntry("norm.weight", Tensor([1, 2, 3, -6]), dtype: .bf16)],
    ]
    let path = try folder.make("model")
    if isSharded {
      for (name, entries) in zip(["a", "b"], parts) {
        try SafetensorsWriter.write(entries, to: "\(path)/\(name).safetensors")
      }
      try folder.write(
        "model/model.safetensors.index.json",
        #"{"metadata":{"total_size":20},"weight_map":{"l.weight":"a.safetensors","#
          + #""l.weight_scale":"a.safetensors","norm.weight":"b.safetensors"}}"#)
    } else {
      try SafetensorsWriter.write(parts.flatMap(\.self), to: "\(path)/model.safetensors")
    }
    if let linearClass {
      try folder.write(
        "model/config.json",
        #"{"quantization_config":{"quant_method":"bitnet","linear_class":"\#(linearClass)"}}"#)
    }
    return path
  }

  @Test(arguments: [
    ("bitlinear", "divides", 0.25, "found"), ("autobitlinear", "multiplies", 4, "index"),
  ])
  func foldersAndIndexesHavePackedLayers(
    linearClass: String, use: String, factor: Double, kind: String
  ) async throws {
    let isSharded = kind == "index"
    let path = try checkpoint(linearClass: linearClass, isSharded: isSharded)
    let listed = isSharded ? "\(path)/model.safetensors.index.json" : path
    let run = try await Program.run(["inspect", listed])
    #expect(run.code == 0 && run.error == "")
    let row = try #require(run.lines.first { $0.hasPrefix("l   ") })
    #expect(
      row.split(separator: " ").map(String.init)
        == ["l", "ternary", "8", "x", "4", "3.00", "25.0%", "62.5%", "12.5%", "4.0", use])
    #expect(run.output.contains("\nnorm.weight     BF16  [4]         8              16\n"))
    #expect(run.output.contains("3 tensors, 20 bytes of data\n"))
    #expect(run.output.contains(linearClass))

    let json = try await Program.run(["inspect", path, "--json"]).json()
    #expect(json["linear_class"] as? String == linearClass)
    #expect(json["bytes"] as? Int == 20)
    let layer = try #require((json["packed_layers"] as? [[String: Any]])?.first)
    #expect(layer["scale_use"] as? String == use)
    #expect(layer["code_shares"] as? [Double] == [0.25, 0.625, 0.125])
    #expect(layer["scales"] as? [Double] == [4])
    let tensors = try #require(json["tensors"] as? [[String: Any]])
    #expect(
      tensors.compactMap { $0["file"] as? String }
        == (isSharded ? ["a", "a", "b"].map { "\(path)/\($0).safetensors" } : []))

    let tensor = try await Program.run(["inspect", path, "--tensor", "l.weight", "--json"]).json()
    let values = try #require(tensor["values"] as? [String: Any])
    #expect(values["minimum"] as? Double == -factor && values["maximum"] as? Double == factor)
    #expect(values["mean"] as? Double == -factor / 8)
    #expect(values["mean_magnitude"] as? Double == factor * 12 / 32)
    let scales = try #require(tensor["scales"] as? [String: Any])
    #expect(scales["use"] as? String == use && scales["minimum"] as? Double == 4)
  }

  @Test func withoutConfigurationTheScaleIsOpen() async throws {
    let path = try checkpoint(linearClass: nil) + "/model.safetensors"
    let run = try await Program.run(["inspect", path, "--tensor", "l.weight"])
    #expect(run.code == 0)
    #expect(run.output.contains("No config.json tells"))
    #expect(!run.output.contains("\nMinimum  "))
    let json = try await Program.run(["inspect", path, "--tensor", "l.weight", "--json"]).json()
    #expect(json["values"] is NSNull)
    #expect((json["codes"] as? [String: Any])?["zeros"] as? Int == 20)
  }

  /// A broken part is told, and does not hide the rest.
  @Test func badCodesAndConfigurationsAreListed() async throws {
    let path = try checkpoint(linearClass: "quadratic", badByte: 0b11)
    let run = try await Program.run(["inspect", path])
    #expect(run.code == 0)
    #expect(run.output.contains("Problem: \(path)/config.json"))
    #expect(run.output.contains("code 3 in row 1, column 1, expected codes 0, 1, 2"))
    #expect(run.output.contains("norm.weight"))
    let json = try await Program.run(["inspect", path, "--json"]).json()
    #expect((json["problems"] as? [String])?.count == 2)
    let layer = try #require((json["packed_layers"] as? [[String: Any]])?.first)
    #expect(layer["code_shares"] is NSNull)
    try await Program.run(["inspect", path, "--tensor", "l.weight"]).expectRefusal(
      source: "\(path)/model.safetensors, tensor \"l.weight\"", found: "code 3 in row 1",
      expected: "codes 0, 1, 2")
  }

  private func write(_ entries: [SafetensorsEntry]) throws -> String {
    let path = folder.path("x.safetensors")
    try SafetensorsWriter.write(entries, to: path)
    return path
  }

  @Test func floatsHaveStatisticsAndAHistogram() async throws {
    let values: [Float] = [0, 16, 1, 1, 1, 2, -0.0, 8.5, .nan, .infinity, -.infinity, 15.5]
    let path = try write([SafetensorsEntry("x", Tensor(values))])
    let json = try await Program.run(["inspect", path, "--tensor", "x", "--json"]).json()
    let found = try #require(json["values"] as? [String: Any])
    #expect(found["count"] as? Int == 12 && found["zeros"] as? Int == 2)
    #expect(found["nan"] as? Int == 1 && found["infinities"] as? Int == 2)
    #expect(found["minimum"] as? Double == 0 && found["maximum"] as? Double == 16)
    #expect(found["mean"] as? Double == 5)
    #expect(found["all_zero"] as? Bool == false)
    let histogram = try #require(json["histogram"] as? [String: Any])
    #expect(histogram["counts"] as? [Int] == [2, 3, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2])

    let run = try await Program.run(["inspect", path, "--tensor", "x"])
    #expect(run.code == 0 && run.error == "")
    #expect(run.output.contains("Infinities      2\n"))
    #expect(run.output.contains(" 1 to  2  3  " + String(repeating: "#", count: 67) + "\n"))
    #expect(run.output.contains(" 3 to  4  0\n"))
    #expect(run.lines.allSatisfy { $0.count <= 80 })
  }

  /// Bars fill a terminal of any width, and are left out where there is no room for them.
  @Test(arguments: [(80, 70), (20, 10), (11, 1), (10, 0), (1, 0)])
  func barsFitTheTerminal(width: Int, marks: Int) {
    let chart = BarChart(
      bars: [
        BarChart.Bar(label: ["a"], count: 1000), BarChart.Bar(label: ["b"], count: 1),
        BarChart.Bar(label: ["c"], count: 0),
      ], width: width)
    let bar = { (count: Int) in count > 0 ? "  " + String(repeating: "#", count: count) : "" }
    #expect(
      chart.text == "a  1,000\(bar(marks))\nb      1\(bar(min(1, marks)))\nc      0\n")
  }

  @Test func everyPlainTypeIsRead() async throws {
    let numbers: [Int64] = [3, 0, 1, 4]
    let integers: [DType] = [.u8, .i8, .u16, .i16, .u32, .i32, .u64, .i64]
    let floats: [DType] = [.f16, .bf16, .f32, .f64]
    let path = try write(
      integers.map { SafetensorsEntry($0.rawValue, numbers, shape: [2, 2], dtype: $0) }
        + floats.map { SafetensorsEntry($0.rawValue, Tensor([3, 0, 1, 4]), dtype: $0) }
        + [
          SafetensorsEntry("BOOL", [1, 0, 1, 1], shape: [4], dtype: .bool),
          SafetensorsEntry("F8_E4M3", dtype: .f8E4M3, shape: [4], bytes: [1, 2, 3, 4]),
        ])
    for type in integers + floats {
      let run = try await Program.run(["inspect", path, "--tensor", type.rawValue, "--json"])
      let values = try #require(try run.json()["values"] as? [String: Any], "\(type)")
      #expect(values["minimum"] as? Double == 0 && values["maximum"] as? Double == 4, "\(type)")
      #expect(values["mean"] as? Double == 2 && values["zeros"] as? Int == 1, "\(type)")
    }
    let bools = try await Program.run(["inspect", path, "--tensor", "BOOL", "--json"]).json()
    #expect((bools["values"] as? [String: Any])?["mean"] as? Double == 0.75)
    try await Program.run(["inspect", path, "--tensor", "F8_E4M3"]).expectRefusal(
      source: "\(path), tensor \"F8_E4M3\"", found: "F8_E4M3", expected: "integers, BOOL, F16")
  }

  @Test func zerosTernaryFloatsAndEmptyTensorsAreNamed() async throws {
    let path = try write([
      SafetensorsEntry("zeros", Tensor([0, 0, -0.0, 0])),
      SafetensorsEntry("ternary", Tensor([1, 0, -1, 1])),
      SafetensorsEntry("empty", dtype: .f32, shape: [0, 3], bytes: []),
      SafetensorsEntry("scalar", dtype: .u8, shape: [], bytes: [7]),
    ])
    for (name, text) in [
      ("zeros", "All values are zero.\n"), ("ternary", "All values are -1, 0 or +1.\n"),
      ("empty", "The tensor is empty.\n"), ("scalar", "\n7 to 7  1  ####"),
    ] {
      let run = try await Program.run(["inspect", path, "--tensor", name])
      #expect(run.code == 0 && run.output.contains(text), "\(run.output)")
    }
    let zeros = try await Program.run(["inspect", path, "--tensor", "zeros", "--json"]).json()
    #expect((zeros["values"] as? [String: Any])?["all_zero"] as? Bool == true)
    let ternary = try await Program.run(["inspect", path, "--tensor", "ternary", "--json"]).json()
    #expect((ternary["codes"] as? [String: Any])?["shares"] as? [Double] == [0.25, 0.25, 0.5])
    let empty = try await Program.run(["inspect", path, "--tensor", "empty", "--json"]).json()
    #expect((empty["values"] as? [String: Any])?["minimum"] is NSNull)
  }

  @Test func unknownTensorsGetNearNames() async throws {
    let path = try write([
      SafetensorsEntry("layers.0.weight", Tensor([1])),
      SafetensorsEntry("layers.1.weight", Tensor([1])), SafetensorsEntry("bias", Tensor([1])),
    ])
    try await Program.run(["inspect", path, "--tensor", "layers.0.wieght"]).expectRefusal(
      source: path, found: "no tensor \"layers.0.wieght\"",
      expected: "one of its 3 tensors, such as \"layers.0.weight\" or \"layers.1.weight\"")
    try await Program.run(["inspect", path, "--tensor", "LAYERS.1"]).expectRefusal(
      source: path, found: "no tensor \"LAYERS.1\"",
      expected: "one of its 3 tensors, such as \"layers.1.weight\"")
    try await Program.run(["inspect", path, "--tensor", "zzz", "--json"]).expectRefusal(
      source: path, found: "no tensor \"zzz\"", expected: "one of its 3 tensors")
  }

  @Test func optionsForOtherFilesAreRefused() async throws {
    let path = try write([SafetensorsEntry("x", Tensor([1]))])
    try await Program.run(["inspect", path, "--i2s-layout", "arm"]).expectRefusal(
      source: "--i2s-layout", found: path, expected: "a GGUF file")
    let wrong = try await Program.run(["inspect", path, "--i2s-layout", "mips"])
    #expect(wrong.code == 64 && wrong.output == "")
  }
}
