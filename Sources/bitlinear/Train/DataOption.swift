import BitCore
import BitTraining
import ArgumentParser
import BitNN

/// The option that says where the samples are.
struct DataOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A folder of IDX files or of train.csv and test.csv, or a CSV file with the label first.",
      discussion: "By default Fashion-MNIST from Debian's package dataset-fashion-mnist.",
      valueName: "path"))
  var data: String?

  func load() throws(InputError) -> TrainTestData {
    if let data {
      guard !data.isEmpty else {
        throw InputError(
          .malformed, source: "--data", found: "an empty path", expected: "a folder or a file")
      }
      return try TrainTestData.load(path: data)
    }
    return try FashionMNIST.load()
  }
}
