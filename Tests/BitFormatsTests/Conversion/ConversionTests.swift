@testable import BitConversion
import BitCore
import BitFormats
import Foundation
import Testing

@Suite struct ConversionTests {
  private static let ternary: [ConversionType] = [.hf, .bitlinear, .tq1_0, .tq2_0, .q2_0, .i2_s]

  /// From every format to every other: the codes and products stay, and the way back gives them too.
  @Test(arguments: ternary, ternary)
  func ternaryWithOneScale(from: ConversionType, to: ConversionType) throws {
    try withTemporaryFolder { folder in
      let sample = ConversionSample(scales: [0.75])
      let start = "\(folder)/start.gguf"
      try sample.writeGGUF(start, .i2_s)
      let (a, b) = ("\(folder)/a.\(from.suffix)", "\(folder)/b.\(to.suffix)")
      let back = "\(folder)/back.\(from.suffix)"
      #expect(try convert(start, a, ConversionOptions(type: from)) == from)
      try sample.expect(a)
      #expect(try convert(a, b, ConversionOptions(type: to)) == to)
      try sample.expect(b)
      try convert(b, back, ConversionOptions(type: from))
      try sample.expect(back)
      let (first, last) = try (ModelFile(path: a), ModelFile(path: back))
      #expect(first.tensors.map(\.name).sorted() == last.tensors.map(\.name).sorted())
      #expect(first.byteCount == last.byteCount)
    }
  }

  @Test func signs() throws {
    try withTemporaryFolder { folder in
      let sample = ConversionSample(.sign, scaleKind: .row)
      try sample.writePacked("\(folder)/a.safetensors")
      #expect(try convert("\(folder)/a.safetensors", "\(folder)/b.gguf") == .q1_0)
      try sample.expect("\(folder)/b.gguf")
      #expect(try convert("\(folder)/b.gguf", "\(folder)/c.safetensors") == .bitlinear)
      try sample.expect("\(folder)/c.safetensors")
      #expect(try convert("\(folder)/c.safetensors", "\(folder)/d.gguf") == .q1_0)
      try sample.expect("\(folder)/d.gguf")
      let (b, d) = try (bytes(ofFile: "\(folder)/b.gguf"), bytes(ofFile: "\(folder)/d.gguf"))
      #expect(b.count == d.count)
      // The recipe of the layer stands in the metadata all the way.
      let file = try SafetensorsFile(path: "\(folder)/c.safetensors")
      let layer = try file.packedLayer("blk.0.ffn_up")
      #expect(layer.recipe == .bitnet)
      #expect(layer.matrix.codes == sample.codes)
    }
  }

  @Test(arguments: [ScaleKind.row, .block(columns: 256), .block(columns: 64)])
  func manyScales(kind: ScaleKind) throws {
    try withTemporaryFolder { folder in
      let sample = ConversionSample(scaleKind: kind)
      try sample.writePacked("\(folder)/a.safetensors")
      try sample.expect("\(folder)/a.safetensors")
      let type = try convert("\(folder)/a.safetensors", "\(folder)/b.gguf")
      #expect(type == (kind == .block(columns: 64) ? .q2_0 : .tq2_0))
      try sample.expect("\(folder)/b.gguf")
      #expect(try convert("\(folder)/b.gguf", "\(folder)/c.safetensors") == .bitlinear)
      try sample.expect("\(folder)/c.safetensors")
      for (path, type) in [
        ("\(folder)/d.safetensors", ConversionType.hf), ("\(folder)/d.gguf", .i2_s),
      ] {
        let error = #expect(throws: InputError.self) {
          try convert("\(folder)/b.gguf", path, ConversionOptions(type: type))
        }
        #expect(error?.source.contains("blk.0.ffn_up.weight") == true)
        #expect(error?.found.hasPrefix("the scales 0.5 and 0.515625") == true)
        #expect(!FileManager.default.fileExists(atPath: path))
        try convert("\(folder)/b.gguf", path, ConversionOptions(type: type, isLossy: true))
        let merged = try weight(path, "blk.0.ffn_up.weight").rows(0..<8)
        #expect(merged.codes == sample.codes)
        #expect(merged.scales.count == 1)
        // Least squares: the error is orthogonal to the codes.
        let values = try sample.coded().values(0..<8)
        let rest = zip(values, sample.codes).reduce(0.0) {
          $0 + (Double($1.0) - Double(merged.scales[0]) * Double($1.1)) * Double($1.1)
        }
        #expect(abs(rest) < 1e-3)
      }
      #expect(try names(in: folder).filter { $0.hasPrefix(".") } == [])
    }
  }

  @Test func otherTensorsAreCopied() throws {
    try withTemporaryFolder { folder in
      let sample = ConversionSample(scales: [0.75])
      let halves = SafetensorsEntry("h", Tensor([1, 2.5, -3, 0.1]), dtype: .f16)
      let doubles = SafetensorsEntry("d", Tensor([1.1, 2]), dtype: .f64)
      let integers = SafetensorsEntry("i", [1, -2, 3], shape: [3], dtype: .i32)
      let layer = try PackedBitLinear(
        matrix: sample.coded().packedMatrix(), bias: nil, recipe: .b158)
      let (a, b, c) = ("\(folder)/a.safetensors", "\(folder)/b.gguf", "\(folder)/c.safetensors")
      try PackedLayerFile.write([("x", layer)], tensors: [halves, doubles, integers], to: a)
      try convert(a, b)
      try convert(b, c, ConversionOptions(type: .bitlinear))
      // All but the kind of scales is what it was, byte for byte.
      let (first, last) = try (SafetensorsFile(path: a), SafetensorsFile(path: c))
      for name in ["h", "d", "i", "x.weight"] {
        let old = try first.withUnsafeBytes(of: name) { Array($0) }
        #expect(try last.withUnsafeBytes(of: name) { Array($0) } == old)
        #expect(last[name]?.dtype == first[name]?.dtype)
      }
      try SafetensorsWriter.write(
        [SafetensorsEntry("u", dtype: .u8, shape: [1], bytes: [1])], to: a)
      let error = #expect(throws: InputError.self) { try convert(a, b) }
      #expect(error?.source == "\(a), tensor \"u\"")
      #expect(error?.found == "U8")
    }
  }

  @Test func refusals() throws {
    try withTemporaryFolder { folder in
      func refuse(
        _ sample: ConversionSample, _ type: ConversionType, _ found: String,
        sourceLocation: SourceLocation = #_sourceLocation
      ) throws {
        let (a, b) = ("\(folder)/a.safetensors", "\(folder)/b.\(type.suffix)")
        try sample.writePacked(a)
        let error = #expect(throws: InputError.self, sourceLocation: sourceLocation) {
          try convert(a, b, ConversionOptions(type: type))
        }
        #expect(
          error?.source.contains("tensor \"blk.0.ffn_up.weight\"") == true,
          sourceLocation: sourceLocation)
        #expect(
          error?.found.contains(found) == true, "\(error?.found ?? "")",
          sourceLocation: sourceLocation)
        #expect(try names(in: folder) == ["a.safetensors"], sourceLocation: sourceLocation)
      }
      try refuse(ConversionSample(scales: [0.1]), .tq2_0, "the scale 0.1")
      try refuse(ConversionSample(), .q1_0, "the code 0")
      try refuse(ConversionSample(.sign), .hf, "weights sign")
      try refuse(ConversionSample(scaleKind: .block(columns: 64)), .tq1_0, "the scales 0.5 and")
      // A float32 scale still has a place.
      try ConversionSample(scales: [0.1]).writePacked("\(folder)/a.safetensors")
      #expect(try convert("\(folder)/a.safetensors", "\(folder)/b.gguf") == .i2_s)
      let lossy = ConversionOptions(type: .tq2_0, isLossy: true)
      try convert("\(folder)/a.safetensors", "\(folder)/c.gguf", lossy)
      let read = try weight("\(folder)/c.gguf", "blk.0.ffn_up.weight").rows(0..<8)
      #expect(read.codes == ConversionSample().codes)
      #expect(abs(read.scales[3] - 0.1) < 1e-4 && read.scales[3] != 0.1)
    }
  }

  @Test func rowsAndTypesThatDoNotFit() throws {
    try withTemporaryFolder { folder in
      let codes = [Int8](repeating: 1, count: 6 * 256)
      let tensor = try CodedTensor(
        codes: codes, rows: 6, columns: 256, scaleKind: .tensor, scales: [1], source: "six")
      let path = "\(folder)/a.gguf"
      try GGUFWriter.write(
        [GGUFEntry("x.weight", tensor, type: .i2_s)],
        metadata: ["general.architecture": .string("bitnet")], to: path)
      let error = #expect(throws: InputError.self) {
        try convert(path, "\(folder)/b.safetensors", ConversionOptions(type: .hf))
      }
      #expect(error?.found == "6 rows of ternary weights")
      #expect(try convert(path, "\(folder)/b.safetensors") == .bitlinear)
      #expect(throws: InputError.self) {
        try convert(path, "\(folder)/c.gguf", ConversionOptions(type: .hf))
      }
      #expect(throws: InputError.self) { try convert(path, "\(folder)/c.bin") }
    }
  }

  /// However its path is written, what is read is not replaced.
  @Test func theSourceIsNoTarget() throws {
    try withTemporaryFolder { folder in
      let model = "\(folder)/model"
      try FileManager.default.createDirectory(atPath: model, withIntermediateDirectories: false)
      try ConversionSample(scales: [0.75]).writePacked("\(model)/model.safetensors")
      try ConversionSample(scales: [0.75]).writeGGUF("\(folder)/a.gguf", .i2_s)
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder)/link.gguf", withDestinationPath: "a.gguf")
      for (from, to, found) in [
        (model, model, "the folder that is read"), (model, "\(model)/", "the folder that is read"),
        ("\(model)/", "\(folder)/./model", "the folder that is read"),
        ("\(model)/model.safetensors", model, "a file that is read"),
        (model, "\(model)/model.safetensors", "a file that is read"),
        ("\(folder)/a.gguf", "\(folder)/a.gguf", "a file that is read"),
        ("\(folder)/a.gguf", "\(folder)/link.gguf", "a file that is read"),
      ] {
        let error = #expect(throws: InputError.self) { try convert(from, to) }
        #expect(error?.source == to)
        #expect(error?.found == found)
      }
      try ConversionSample(scales: [0.75]).expect("\(model)/model.safetensors")
      #expect(try names(in: model) == ["model.safetensors"])
    }
  }

  /// A single file tells what its scales mean, to every reader.
  @Test func aFileTellsWhatItsScalesMean() throws {
    try withTemporaryFolder { folder in
      let (a, b) = ("\(folder)/a.gguf", "\(folder)/b.safetensors")
      try ConversionSample(scales: [0.75]).writeGGUF(a, .i2_s)
      try convert(a, b, ConversionOptions(type: .hf))
      let checkpoint = try ShardedSafetensors(path: b)
      let quantization = try #require(try checkpoint.quantization())
      #expect(quantization.scaleConvention == .multiplies)
      let layer = try HuggingFaceLayer(
        "blk.0.ffn_up", from: checkpoint, quantization: quantization)
      #expect(layer.scale.multiplier == 0.75)
      // Nonsense is an error that names the place.
      let file = try SafetensorsFile(path: b)
      let entries = try file.tensors.map { try SafetensorsEntry(copying: $0.name, from: file) }
      let bad = "\(folder)/bad.safetensors"
      try SafetensorsWriter.write(
        entries, metadata: [ModelFile.quantizationKey: "[1]"], to: bad)
      for open in [
        { _ = try ShardedSafetensors(path: bad).quantization() },
        { _ = try ModelFile(path: bad) },
      ] as [() throws -> Void] {
        let error = #expect(throws: InputError.self, performing: open)
        #expect(error?.source.contains("metadata \(ModelFile.quantizationKey)") == true)
      }
    }
  }

  /// A conversion that fails or is stopped in the middle leaves what was there.
  @Test func stoppedHalfWay() throws {
    try withTemporaryFolder { folder in
      let (a, b) = ("\(folder)/a.gguf", "\(folder)/b.safetensors")
      try ConversionSample(scales: [0.75]).writeGGUF(a, .i2_s)
      try Data("old".utf8).write(to: URL(fileURLWithPath: b))
      let conversion = try Conversion(ModelFile(path: a), to: b)
      #expect(throws: CancellationError.self) {
        try conversion.write { progress in
          if progress.done > progress.total / 2 { throw CancellationError() }
        }
      }
      #expect(try bytes(ofFile: b) == Array("old".utf8))
      #expect(try names(in: folder) == ["a.gguf", "b.safetensors"])
    }
  }

  @Test func verifyFindsADifference() throws {
    try withTemporaryFolder { folder in
      let (a, b) = ("\(folder)/a.gguf", "\(folder)/b.gguf")
      try ConversionSample(scales: [0.75]).writeGGUF(a, .i2_s)
      let conversion = try Conversion(ModelFile(path: a), to: b)
      try conversion.write()
      #expect(try conversion.verify() == 8 * 512 + 512)
      try ConversionSample(scales: [0.75], seed: 2).writeGGUF(b, .tq2_0)
      let error = #expect(throws: InputError.self) { try conversion.verify() }
      #expect(error?.source == "\(b), tensor \"blk.0.ffn_up.weight\"")
      #expect(error?.found.contains("in row 0, column ") == true)
      try ConversionSample(scales: [0.5]).writeGGUF(b, .tq2_0)
      let scaled = #expect(throws: InputError.self) { try conversion.verify() }
      #expect(scaled?.found.contains("0.5 in row 0") == true)
    }
  }
}
