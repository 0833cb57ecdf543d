import BitCore
import BitFormats
@testable import BitTraining
import Foundation
import TestSupport
import Testing

import BitNN

@Suite struct FolderTests {
  static let names = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
  ]
  static let contents = [
    idx([3, 1, 2], [1, 2, 3, 4, 5, 6]), idx([3], [0, 2, 1]), idx([2, 1, 2], [7, 8, 9, 10]),
    idx([2], [2, 0]),
  ]

  /// A folder with the four files, some of them replaced.
  private func folder(replacing: [Int: [UInt8]] = [:]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for index in 0..<4 {
      try folder.write(Self.names[index], replacing[index] ?? Self.contents[index])
    }
    return folder
  }

  private func expectContents(_ data: TrainTestData) {
    let none = Standardization(mean: 0, deviation: 1)
    #expect(data.train.sampleShape == [1, 2])
    #expect(data.train.labels == [0, 2, 1])
    #expect(data.train.classCount == 3)
    #expect(data.train.inputs(0..<3, standardization: none).scalars == [1, 2, 3, 4, 5, 6])
    #expect(data.test.labels == [2, 0])
    #expect(data.test.classCount == 3)
    #expect(data.test.inputs(0..<2, standardization: none).scalars == [7, 8, 9, 10])
    #expect(data.classNames == nil)
  }

  @Test(arguments: [false, true], [false, true])
  func idxFolder(compressed: Bool, dotted: Bool) throws {
    let folder = try TemporaryFolder()
    for (name, content) in zip(Self.names, Self.contents) {
      let name = dotted ? name.replacingOccurrences(of: "-idx", with: ".idx") : name
      try folder.write(compressed ? name + ".gz" : name, compressed ? gzip(content) : content)
    }
    expectContents(try TrainTestData.load(path: folder.path))
    expectContents(try TrainTestData.load(path: folder.path + "//"))
  }

  @Test(arguments: 0..<4)
  func oneFileMissing(index: Int) throws {
    let folder = try folder()
    try folder.remove(Self.names[index])
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path): found only a part of a data set, "
        + "expected \(Self.names[index]) or its .gz")
  }

  @Test(arguments: 0..<4)
  func oneFileCut(index: Int) throws {
    let content = Self.contents[index]
    let folder = try folder(replacing: [index: Array(content.dropLast())])
    let text = message { _ = try TrainTestData.load(path: folder.path) }
    let start =
      "\(folder.path)/\(Self.names[index]): found \(content.count - 1) bytes, "
      + "expected \(content.count) bytes for extents "
    #expect(text.hasPrefix(start), "\(text)")
  }

  @Test func imagesInPlaceOfLabels() throws {
    let folder = try folder(replacing: [1: Self.contents[0]])
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path)/\(Self.names[1]): found magic number 0x00000803, expected 0x00000801")
  }

  @Test(arguments: [1, 3])
  func countsDiffer(index: Int) throws {
    let folder = try folder(replacing: [index: idx([1], [0])])
    let samples = index == 1 ? 3 : 2
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path)/\(Self.names[index]): found 1 labels, expected one for each of the "
        + "\(samples) samples of \(folder.path)/\(Self.names[index - 1])")
  }

  @Test func testLabelOutsideTheTrainClasses() throws {
    let folder = try folder(replacing: [3: idx([2], [0, 3])])
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path)/\(Self.names[3]): found label 3 at index 1, expected labels in 0..<3")
  }

  @Test func featuresDiffer() throws {
    let folder = try folder(replacing: [2: idx([2, 1, 1], [7, 8])])
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path)/\(Self.names[2]): found 1 features, "
        + "expected the 2 of \(folder.path)/\(Self.names[0])")
  }

  @Test(arguments: [0, 2])
  func emptySet(index: Int) throws {
    let folder = try folder(replacing: [index: idx([0, 1, 2], []), index + 1: idx([0], [])])
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path)/\(Self.names[index]): found 0 values of sample shape [1, 2] and "
        + "0 labels, expected at least one sample")
  }

  @Test(arguments: [false, true])
  func csvFolder(compressed: Bool) throws {
    let folder = try TemporaryFolder()
    for (name, text) in [("train", "label,a\n0,1\n2,0.5\n"), ("test", "label,a\n1,9\n")] {
      let bytes = Array(text.utf8)
      try folder.write(
        compressed ? "\(name).csv.gz" : "\(name).csv", compressed ? gzip(bytes) : bytes)
    }
    let data = try TrainTestData.load(path: folder.path)
    #expect(data.train.labels == [0, 2])
    #expect(data.test.labels == [1])
    #expect(data.test.classCount == 3)
  }

  @Test(arguments: [
    (
      "label,a\n1,9\n3,9\n",
      "test.csv:3: found label \"3\" in column 1, expected an integer in 0..<3"
    ),
    ("1,9,9\n", "test.csv: found 2 features, expected the 1 of FOLDER/train.csv"),
    ("", "test.csv: found no samples, expected at least one line of a label and numbers"),
  ])
  func csvFolderThatDoesNotFit(test: String, expected: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("train.csv", "0,1\n2,3\n")
    try folder.write("test.csv", test)
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path)/" + expected.replacingOccurrences(of: "FOLDER", with: folder.path))
  }

  @Test(arguments: [
    (
      "label,a,b\n0,1,2\n", "label,b,a\n0,1,2\n",
      "test.csv: found \"b\" as the name of value 1, expected \"a\", as in FOLDER/train.csv"
    ),
    (
      "a,label\n1,0\n", "0,1\n",
      "test.csv: found no header, expected one, as in FOLDER/train.csv"
    ),
    (
      "0,1\n", "a,label\n1,0\n",
      "test.csv: found a header, expected none, as in FOLDER/train.csv"
    ),
  ])
  func csvFilesOfOtherColumns(train: String, test: String, expected: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("train.csv", train)
    try folder.write("test.csv", test)
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path)/" + expected.replacingOccurrences(of: "FOLDER", with: folder.path))
  }

  @Test func labelColumnIsFoundInAllFiles() throws {
    let folder = try TemporaryFolder()
    try folder.write("train.csv", "a,y\n5,0\n6,1\n")
    // The columns may stand in another order as long as the values do not.
    try folder.write("test.csv", "y,a\n1,7\n")
    let data = try TrainTestData.load(path: folder.path, labelColumn: "y")
    #expect(data.train.labels == [0, 1])
    #expect(data.test.labels == [1])
    #expect(data.test.bytes(0) == [7])
    let file = try folder.write("all.csv", "y,label\n" + (0..<6).map { "\($0),9\n" }.joined())
    #expect(try TrainTestData.load(path: file, labelColumn: "y").test.labels == [5])
    let images = try self.folder()
    #expect(
      message { _ = try TrainTestData.load(path: images.path, labelColumn: "y") }
        == "\(images.path): found IDX files, expected CSV files with a column named \"y\"")
  }

  @Test func csvFolderWithoutTest() throws {
    let folder = try TemporaryFolder()
    try folder.write("train.csv", "0,1\n2,3\n")
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path): found only a part of a data set, expected test.csv or test.csv.gz")
  }

  @Test func singleFileKeepsEverySixthForTesting() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("all.csv", "label,a\n" + (0..<13).map { "\($0),\($0)\n" }.joined())
    let data = try TrainTestData.load(path: path)
    #expect(data.train.labels == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12])
    #expect(data.test.labels == [5, 11])
    #expect(data.train.classCount == 13)
    #expect(data.test.classCount == 13)
  }

  @Test func singleFileTooShort() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("all.csv", "0,1\n1,1\n0,1\n1,1\n0,1\n")
    #expect(
      message { _ = try TrainTestData.load(path: path) }
        == "\(path): found 5 samples, expected at least 6, of which every sixth is for testing")
  }

  @Test func nothingFitting() throws {
    let folder = try TemporaryFolder()
    try folder.write("notes.txt", "0,1")
    let expected =
      "a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
      + "t10k-labels-idx1-ubyte (.idx for -idx and .gz allowed), or one with train.csv and "
      + "test.csv (.gz allowed), or a CSV file"
    #expect(
      message { _ = try TrainTestData.load(path: folder.path) }
        == "\(folder.path): found a folder without the files of a data set, expected \(expected)")
    #expect(
      message { _ = try TrainTestData.load(path: "\(folder.path)/none") }
        == "\(folder.path)/none: found no such file or folder, expected \(expected)")
    #expect(kind { _ = try TrainTestData.load(path: "\(folder.path)/none") } == .missing)
    #expect(kind { _ = try TrainTestData.load(path: "") } == .missing)
    #expect(
      kind { _ = try TrainTestData.load(path: "\(folder.path)/notes.txt/train") } == .missing)
  }

  @Test func pairChecksItsClassesAndNames() throws {
    func set(_ name: String, classes: Int) throws -> LabeledDataset {
      try LabeledDataset(
        name: name, bytes: [1], sampleShape: [1], labels: [0], classCount: classes)
    }
    #expect(
      message {
        _ = try TrainTestData(train: set("a", classes: 2), test: set("b", classes: 3))
      } == "b: found 3 classes, expected the 2 of a")
    #expect(
      message {
        _ = try TrainTestData(
          train: set("a", classes: 2), test: set("b", classes: 2), classNames: ["only"])
      } == "a: found 2 classes, expected one for each of the 1 names")
    let pair = try TrainTestData(
      train: set("a", classes: 2), test: set("b", classes: 2), classNames: ["no", "yes"])
    #expect(pair.classNames == ["no", "yes"])
  }
}

@Suite struct FashionMNISTTests {
  static let isInstalled = FileManager.default.fileExists(atPath: FashionMNIST.path)

  @Test func missingFolderSaysWhatToInstall() {
    #expect(
      FashionMNIST.missing("/data").description
        == "/data: found no such folder, expected the Debian package dataset-fashion-mnist "
        + "(apt-get install dataset-fashion-mnist) or a folder given with --data")
  }

  @Test(.enabled(if: !isInstalled, "Fashion-MNIST is installed"), arguments: ["", "/"])
  func loadingWithoutTheFolder(suffix: String) {
    let expected = FashionMNIST.missing(FashionMNIST.path).description
    #expect(message { _ = try TrainTestData.load(path: FashionMNIST.path + suffix) } == expected)
    #expect(message { _ = try FashionMNIST.load() } == expected)
  }

  @Test(.enabled(if: isInstalled, "Fashion-MNIST is not installed"))
  func loadsTheInstalledFiles() throws {
    let data = try FashionMNIST.load()
    #expect(data.train.count == 60_000)
    #expect(data.test.count == 10_000)
    #expect(data.train.sampleShape == [28, 28])
    #expect(data.test.sampleShape == [28, 28])
    #expect(data.train.classCount == 10)
    #expect(data.classNames == FashionMNIST.classNames)
    // Every class has a tenth of the samples.
    for label in Int32(0)..<10 {
      #expect(data.train.labels.count { $0 == label } == 6000)
      #expect(data.test.labels.count { $0 == label } == 1000)
    }
    // The widely used constants of the train set, 0.2860 and 0.3530 on a scale of 1.
    let standardization = data.train.standardization()
    #expect(abs(standardization.mean / 255 - 0.2860) < 5e-5)
    #expect(abs(standardization.deviation / 255 - 0.3530) < 5e-5)
  }
}
