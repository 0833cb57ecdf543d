import BitCore
import BitTraining
import ArgumentParser
import BitNN

/// The option that says where the samples are.
struct DataOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A folder of IDX files or of train.csv and test.csv, or a CSV file.",
      discussion: "By default Fashion-MNIST from Debian's package dataset-fashion-mnist.",
      valueName: "path"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "The column of a CSV file that holds the labels.",
      discussion: """
        By default the one that the header calls label or class; the first one without a header.
        """, valueName: "name"))
  var labelColumn: String?

  func load() throws(InputError) -> TrainTestData {
    if let data {
      guard !data.isEmpty else {
        throw InputError(
          .malformed, source: "--data", found: "an empty path", expected: "a folder or a file")
      }
      return try TrainTestData.load(path: data, labelColumn: labelColumn)
    }
    if let labelColumn {
      throw InputError(
        .mismatch, source: "--label-column", found: labelColumn,
        expected: "--data with CSV files as well")
    }
    return try FashionMNIST.load()
  }
}
