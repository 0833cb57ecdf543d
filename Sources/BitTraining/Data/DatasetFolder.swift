import BitFiles
import BitCore

/// The search for the files of a data set.
struct DatasetFolder {
  static let choices =
    "a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    + "t10k-labels-idx1-ubyte (.idx for -idx and .gz allowed), or one with train.csv and test.csv "
    + "(.gz allowed), or a CSV file"
  /// Of a single file, every sixth sample is for testing: the share that MNIST has.
  static let testInterval = 6

  let path: String
  let labelColumn: String?
  let maximumBytes: Int

  init(_ path: String, labelColumn: String?, maximumBytes: Int) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.path = path
    self.labelColumn = labelColumn
    self.maximumBytes = maximumBytes
  }

  func load() throws(InputError) -> TrainTestData {
    let images = try find(idx: "train", "images", 3)
    let labels = try find(idx: "train", "labels", 1)
    if images != nil || labels != nil {
      if let labelColumn {
        throw InputError(
          .mismatch, source: path, found: "IDX files",
          expected: "CSV files with a column named \(labelColumn.debugDescription)")
      }
      let train = try readIDX("train", classCount: nil)
      return try pair(train, readIDX("t10k", classCount: train.classCount))
    }
    if try find(["train.csv", "train.csv.gz"]) != nil {
      let train = try readCSV("train", classCount: nil)
      let test = try readCSV("test", classCount: train.classCount)
      // With one header only, it is unknown whether the columns of the two files are the same.
      guard (train.featureNames == nil) == (test.featureNames == nil) else {
        throw InputError(
          .mismatch, source: test.name, found: test.featureNames == nil ? "no header" : "a header",
          expected: test.featureNames == nil
            ? "one, as in \(train.name)" : "none, as in \(train.name)")
      }
      return try pair(train, test)
    }
    throw InputError(
      .missing, source: path, found: "a folder without the files of a data set",
      expected: Self.choices)
  }

  func loadSingleFile() throws(InputError) -> TrainTestData {
    let all = try CSVFile.read(
      path: path, labelColumn: labelColumn, maximumBytes: maximumBytes)
    guard all.count >= Self.testInterval else {
      throw InputError(
        .malformed, source: path, found: "\(all.count) samples",
        expected: "at least \(Self.testInterval), of which every sixth is for testing")
    }
    let isTest = { (index: Int) in index % Self.testInterval == Self.testInterval - 1 }
    return try TrainTestData(
      train: all.selecting((0..<all.count).filter { !isTest($0) }),
      test: all.selecting((0..<all.count).filter(isTest)))
  }

  private func pair(
    _ train: LabeledDataset, _ test: LabeledDataset
  ) throws(InputError) -> TrainTestData {
    let names = path == FashionMNIST.path ? FashionMNIST.classNames : nil
    return try TrainTestData(
      train: train, test: test, classNames: names?.count == train.classCount ? names : nil)
  }

  private func readIDX(_ part: String, classCount: Int?) throws(InputError) -> LabeledDataset {
    guard let imagePath = try find(idx: part, "images", 3) else {
      throw missing("\(part)-images-idx3-ubyte or its .gz")
    }
    guard let labelPath = try find(idx: part, "labels", 1) else {
      throw missing("\(part)-labels-idx1-ubyte or its .gz")
    }
    let images = try IDXFile.read(path: imagePath, rank: 3, maximumBytes: maximumBytes)
    let labels = try IDXFile.read(path: labelPath, rank: 1, maximumBytes: maximumBytes)
    return try LabeledDataset(
      name: imagePath, bytes: images.values,
      sampleShape: Shape(Array(images.shape.extents.dropFirst())),
      labels: labels.values.map { Int32($0) }, classCount: classCount, labelSource: labelPath)
  }

  private func readCSV(_ part: String, classCount: Int?) throws(InputError) -> LabeledDataset {
    guard let file = try find(["\(part).csv", "\(part).csv.gz"]) else {
      throw missing("\(part).csv or \(part).csv.gz")
    }
    return try CSVFile.read(
      path: file, labelColumn: labelColumn, classCount: classCount, maximumBytes: maximumBytes)
  }

  private func missing(_ names: String) -> InputError {
    InputError(.missing, source: path, found: "only a part of a data set", expected: names)
  }

  private func find(idx part: String, _ content: String, _ rank: Int) throws(InputError) -> String?
  {
    let names = ["-", "."].map { "\(part)-\(content)\($0)idx\(rank)-ubyte" }
    return try find(names + names.map { $0 + ".gz" })
  }

  /// The path of the first of `names` that the folder has.
  private func find(_ names: [String]) throws(InputError) -> String? {
    for name in names where try FileSystem.FileKind(path: "\(path)/\(name)") != nil {
      return "\(path)/\(name)"
    }
    return nil
  }
}
