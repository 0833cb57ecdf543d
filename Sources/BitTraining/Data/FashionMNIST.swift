import BitCore

/// Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28 x 28 bytes each, in ten classes
/// (Xiao, Rasul and Vollgraf, 2017, <https://arxiv.org/abs/1708.07747>).
public enum FashionMNIST {
  /// Where the Debian package dataset-fashion-mnist puts it.
  public static let path = "/usr/share/datasets/fashion-mnist"

  /// The names of the classes 0 to 9.
  public static let classNames = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
  ]

  /// Reads it from ``path``.
  ///
  /// - Throws: `InputError` that says what to install if the folder is missing, or as
  ///   ``TrainTestData/load(path:labelColumn:maximumBytes:)`` does.
  public static func load() throws(InputError) -> TrainTestData {
    try TrainTestData.load(path: path)
  }

  static func missing(_ folder: String) -> InputError {
    InputError(
      .missing, source: folder, found: "no such folder",
      expected: "the Debian package dataset-fashion-mnist (apt-get install dataset-fashion-mnist) "
        + "or a folder given with --data")
  }
}
