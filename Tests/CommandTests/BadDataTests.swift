import BitCore
import BitFormats
import Foundation
import Testing

/// Data sets that `train` and `eval` refuse.
@Suite struct BadDataTests {
  enum Case: String, CaseIterable {
    case missingFolder, emptyFolder, missingLabels, missingTestCSV, emptyFile
    case cutImages, surplusBytes, cutGzip, wrongMagic, floatImages, hugeExtents
    case countMismatch, labelAboveClasses, otherTestFeatures
    case wordInCSV, shortCSVLine, textFile, fewSamples, unknownLabelColumn, rowNumbersAsLabels
  }

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: Case.allCases)
  func badDataIsRefused(_ bad: Case) async throws {
    let earlier = try EarlierRun(in: folder)
    let (data, source, found, expected) = try prepare(bad)
    let run = try await Program.run(trainArguments(data: data, out: earlier.path))
    run.expectRefusal(source: source, found: found, expected: expected)
    try earlier.expectUntouched()
  }

  @Test func evalRefusesDataOfOtherShape() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let trained = try await Program.run(
      trainArguments(data: data, out: folder.path("run"), epochs: 1))
    try #require(trained.code == 0)
    let model = folder.path("run/packed.safetensors")
    let small = try TinyData(side: 4).writeIDX("small", in: folder)
    try await Program.run(["eval", model, "--data", small]).expectRefusal(
      source: model, found: "a network 64-18-3 b158",
      expected: "16 features and 3 classes, as in \(small)")
    let many = try TinyData(classCount: 4).writeIDX("many", in: folder)
    try await Program.run(["eval", model, "--data", many]).expectRefusal(
      source: model, found: "a network 64-18-3 b158",
      expected: "64 features and 4 classes, as in \(many)")
  }

  private typealias Trouble = (data: String, source: String, found: String, expected: String)

  /// Writes the data set and returns its path and the parts of the message that it should give.
  private func prepare(_ bad: Case) throws -> Trouble {
    switch bad {
    case .missingFolder:
      let path = folder.path("nowhere")
      return (path, path, "no such file or folder", "a folder with train-images-idx3-ubyte")
    case .emptyFolder:
      let path = try folder.make("data")
      return (
        path, path, "a folder without the files of a data set",
        "a folder with train-images-idx3-ubyte"
      )
    case .missingTestCSV:
      let path = try TinyData().writeCSV(in: folder)
      try FileManager.default.removeItem(atPath: "\(path)/test.csv")
      return (path, path, "only a part of a data set", "test.csv")
    case .wordInCSV:
      let path = try folder.write("data.csv", "0,1,2\n1,2,3\n0,1,many\n1,2,3\n0,1,2\n1,2,3\n")
      return (path, "\(path):3", "\"many\" in column 3", "a number")
    case .shortCSVLine:
      let path = try folder.write("data.csv", "0,1,2\n1,2\n0,1,2\n1,2,3\n0,1,2\n1,2,3\n")
      return (path, "\(path):2", "2 columns", "3, as in line 1")
    case .textFile:
      let path = try folder.write("data.txt", "Once upon a time\n")
      return (path, path, "no samples", "at least one line")
    case .unknownLabelColumn:
      let path = try TinyData().writeCSV(in: folder, columns: .otherName)
      return (
        path, "\(path)/train.csv:1", "no column named label or class in the header (\"p0\", \"p1\"",
        "one column of labels, or its name (--label-column)"
      )
    case .rowNumbersAsLabels:
      let path = try folder.write("data.csv", (0..<12).map { "\($0),\($0 % 2),3\n" }.joined())
      return (path, path, "0, 1, 2 and so on in the first column", "labels there, or a header")
    case .fewSamples:
      let path = try folder.write("data.csv", "0,1,2\n1,2,3\n")
      return (path, path, "2 samples", "at least 6")
    default:
      return try prepareIDX(bad)
    }
  }

  private func prepareIDX(_ bad: Case) throws -> Trouble {
    let isGzip = bad == .cutGzip
    let path = try TinyData().writeIDX(in: folder, isGzip: isGzip)
    let images = "train-images-idx3-ubyte" + (isGzip ? ".gz" : "")
    let source = "\(path)/\(images)"
    let bytes = try folder.bytes("data/\(images)")
    switch bad {
    case .missingLabels:
      try FileManager.default.removeItem(atPath: "\(path)/train-labels-idx1-ubyte")
      return (path, path, "only a part of a data set", "train-labels-idx1-ubyte")
    case .emptyFile:
      try folder.write("data/\(images)", "")
      return (path, source, "0 bytes", "at least the 4 of a magic number")
    case .cutImages:
      try folder.write("data/\(images)", Array(bytes.dropLast(100)))
      return (path, source, "4012 bytes", "4112 bytes for extents [64, 8, 8]")
    case .surplusBytes:
      try folder.write("data/\(images)", bytes + [0])
      return (path, source, "4113 bytes", "4112 bytes for extents [64, 8, 8]")
    case .cutGzip:
      try folder.write("data/\(images)", Array(bytes.dropLast(100)))
      return (path, source, "a gzip stream cut after", "its end")
    case .wrongMagic:
      try folder.write("data/\(images)", [7] + bytes.dropFirst())
      return (path, source, "magic number 0x07000803", "0x00000803")
    case .floatImages:
      try folder.write("data/\(images)", [0, 0, 13] + bytes.dropFirst(3))
      return (path, source, "magic number 0x00000d03 (float32)", "type 0x08 (unsigned bytes)")
    case .hugeExtents:
      try folder.write(
        "data/\(images)", TinyData.idx([0xffff_ffff, 0xffff_ffff, 0xffff_ffff], []))
      return (path, source, "extents [4294967295, 4294967295, 4294967295]", "a number of bytes")
    case .countMismatch:
      try folder.write("data/train-labels-idx1-ubyte", TinyData.idx([2], [0, 1]))
      return (
        path, "\(path)/train-labels-idx1-ubyte", "2 labels", "one for each of the 64 samples"
      )
    case .labelAboveClasses:
      let labels = [UInt8](repeating: 0, count: 29) + [3]
      try folder.write("data/t10k-labels-idx1-ubyte", TinyData.idx([30], labels))
      return (
        path, "\(path)/t10k-labels-idx1-ubyte", "label 3 at index 29", "labels in 0..<3"
      )
    default:
      precondition(bad == .otherTestFeatures, "\(bad) is not prepared")
      let small = TinyData(side: 4).parts[1]
      try folder.write("data/t10k-images-idx3-ubyte", TinyData.idx([30, 4, 4], small.pixels))
      return (path, "\(path)/t10k-images-idx3-ubyte", "16 features", "the 64 of \(source)")
    }
  }
}
