import ArgumentParser
import BitCore
import BitTraining

/// The options that name the data set.
struct DataOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Data set: a folder with the IDX files of MNIST or with train.csv and test.csv, or one CSV \
      file, of which every sixth sample is for testing. (default: Fashion-MNIST of Debian's package \
      dataset-fashion-mnist)
      """, valueName: "path"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      """
      Column of CSV files that holds the labels. (default: the one that the header calls label or \
      class, or the first one without a header)
      """, valueName: "name"))
  var labelColumn: String?

  func validate() throws {
    guard data != "" else { throw ValidationError("The path of '--data' is empty.") }
    guard labelColumn == nil || data != nil else {
      throw ValidationError("'--label-column' needs '--data' with CSV files.")
    }
  }

  func load() throws(InputError) -> TrainTestData {
    guard let data else { return try FashionMNIST.load() }
    return try TrainTestData.load(path: data, labelColumn: labelColumn)
  }
}
