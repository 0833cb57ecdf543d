import ArgumentParser
import BitCore
import BitTraining

/// The option that names the data set.
struct DataOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Data set: a folder with the IDX files of MNIST or with train.csv and test.csv, or one CSV \
      file, of which every sixth sample is for testing. The label is the first column of a CSV \
      file. (default: Fashion-MNIST of Debian's package dataset-fashion-mnist)
      """, valueName: "path"))
  var data: String?

  func validate() throws {
    guard data != "" else { throw ValidationError("The path of '--data' is empty.") }
  }

  func load() throws(InputError) -> TrainTestData {
    guard let data else { return try FashionMNIST.load() }
    return try TrainTestData.load(path: data)
  }
}
