import BitCore
import BitFiles

/// A training set and a test set with the same features and classes.
public struct TrainTestData: Sendable {
  /// The training set.
  public let train: LabeledDataset
  /// The test set.
  public let test: LabeledDataset
  /// The names of the classes, in the order of their numbers, if known.
  public let classNames: [String]?

  /// A pair that fits together.
  ///
  /// - Throws: `InputError` if the numbers of features or classes differ, or the names of the
  ///   features, or if there is not a name for each class.
  public init(
    train: LabeledDataset, test: LabeledDataset, classNames: [String]? = nil
  ) throws(InputError) {
    guard train.featureCount == test.featureCount else {
      throw InputError(
        .mismatch, source: test.name, found: "\(test.featureCount) features",
        expected: "the \(train.featureCount) of \(train.name)")
    }
    if let names = train.featureNames, let other = test.featureNames,
      let index = names.indices.first(where: { names[$0] != other[$0] })
    {
      throw InputError(
        .mismatch, source: test.name,
        found: "\(other[index].debugDescription) as the name of value \(index + 1)",
        expected: "\(names[index].debugDescription), as in \(train.name)")
    }
    guard train.classCount == test.classCount else {
      throw InputError(
        .mismatch, source: test.name, found: "\(test.classCount) classes",
        expected: "the \(train.classCount) of \(train.name)")
    }
    if let classNames, classNames.count != train.classCount {
      throw InputError(
        .mismatch, source: train.name, found: "\(train.classCount) classes",
        expected: "one for each of the \(classNames.count) names")
    }
    self.train = train
    self.test = test
    self.classNames = classNames
  }

  /// Reads a data set from a folder or a file.
  ///
  /// What fits first is taken:
  /// - a folder of IDX files with the names of MNIST: `train-images-idx3-ubyte`,
  ///   `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each also
  ///   with `.idx` for `-idx`, and with `.gz` appended;
  /// - a folder with `train.csv` and `test.csv`, or the same with `.gz` appended;
  /// - a single CSV file: samples 6, 12, 18 and so on (in the order of the file, counted from 1)
  ///   are the test set, the others the training set.
  ///
  /// The training set determines the number of classes, a single CSV file as a whole.
  ///
  /// The labels of a CSV file are in the column that its header calls label or class, in capitals
  /// or not; a first column without a name holds row numbers and is left out. Without a header the
  /// labels come first.
  ///
  /// - Parameters:
  ///   - path: the folder or file.
  ///   - labelColumn: the header's name of the column with the labels in CSV files; nil for label
  ///     or class.
  ///   - maximumBytes: the most bytes that any file may have, before and after inflation.
  /// - Throws: `InputError` if nothing fits, a file is missing or damaged, a set is empty, or the
  ///   files do not fit together.
  public static func load(
    path: String, labelColumn: String? = nil, maximumBytes: Int = Int(Int32.max)
  ) throws(InputError) -> TrainTestData {
    let folder = DatasetFolder(path, labelColumn: labelColumn, maximumBytes: maximumBytes)
    switch try FileSystem.FileKind(path: folder.path) {
    case nil where folder.path == FashionMNIST.path:
      throw FashionMNIST.missing(folder.path)
    case nil:
      throw InputError(
        .missing, source: path, found: "no such file or folder", expected: DatasetFolder.choices)
    case .folder:
      return try folder.load()
    case .regular, .other:
      return try folder.loadSingleFile()
    }
  }
}
