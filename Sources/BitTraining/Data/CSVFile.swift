import BitCore
import BitFiles

/// Labeled samples in comma-separated values.
///
/// ```
/// width,height,label
/// 1.5,2,0
/// "4","-0.25",1
/// ```
///
/// A first line whose first cell is not a number, or that names a label column, is a header. The
/// labels are in the column that the header calls label or class, in capitals or not, or in one
/// named by the caller; a first column without a name holds row numbers and is left out. Without a
/// header the labels come first, and may not look like row numbers. All other cells are numbers.
///
/// Lines end in LF or CRLF, blank lines are left out, cells may be quoted and surrounded by spaces.
/// If every value is an integer in 0...255, the data set is stored as bytes, else as float32.
enum CSVFile {
  /// Reads the file at `path`, plain or gzip, whichever its content says.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - labelColumn: the header's name of the column with the labels; nil for label or class.
  ///   - classCount: the number of classes; nil for the largest label + 1.
  ///   - maximumBytes: the most bytes that the file may have, before and after inflation.
  /// - Returns: samples of shape `[columns with values]`.
  /// - Throws: ``InputError`` if the file is missing or unreadable, or as
  ///   ``parse(_:source:labelColumn:classCount:)`` does.
  static func read(
    path: String, labelColumn: String? = nil, classCount: Int? = nil,
    maximumBytes: Int = DatasetLimits.maximumBytes
  ) throws(InputError) -> LabeledDataset {
    var bytes = try MappedFile.contents(of: path, limit: maximumBytes)
    if Gzip.isGzip(bytes) {
      bytes = try Gzip.inflate(bytes, maximumBytes: maximumBytes, source: path)
    }
    return try parse(bytes, source: path, labelColumn: labelColumn, classCount: classCount)
  }

  /// Reads plain text.
  ///
  /// - Parameters:
  ///   - text: the whole file, in ASCII or UTF-8.
  ///   - source: the file's name, for errors.
  ///   - labelColumn: the header's name of the column with the labels; nil for label or class.
  ///   - classCount: the number of classes; nil for the largest label + 1.
  /// - Returns: samples of shape `[columns with values]`.
  /// - Throws: ``InputError`` that names line and column, for a cell that is not a finite number, a
  ///   label outside the classes, or a line with more or fewer columns than the first; and one for
  ///   a text without samples or without a column that is known to hold the labels.
  static func parse(
    _ text: [UInt8], source: String, labelColumn: String? = nil, classCount: Int? = nil
  ) throws(InputError) -> LabeledDataset {
    var parser = CSVParser(source: source, labelColumn: labelColumn, classCount: classCount)
    try text.withUnsafeBufferPointer { text throws(InputError) in
      try parser.parse(text)
    }
    guard let columns = parser.columns else {
      throw InputError(
        .malformed, source: source, found: "no samples",
        expected: "at least one line of a label and numbers")
    }
    try parser.checkLabels()
    return try LabeledDataset(
      name: source, checking: parser.samples,
      sampleShape: [columns.count - (columns.index == nil ? 1 : 2)], labels: parser.labels,
      classCount: classCount, labelSource: nil, featureNames: columns.featureNames)
  }
}
