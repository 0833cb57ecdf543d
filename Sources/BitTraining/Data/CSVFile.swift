import BitNN
import BitFiles
import BitCore

/// Labeled samples in comma-separated values: the label in the first column, numbers in the others.
///
/// ```
/// label,width,height
/// 0,1.5,2
/// 1,"4","-0.25"
/// ```
///
/// The first line is a header, and left out, if its first cell is not a number. Lines end in LF or
/// CRLF, blank lines are left out, cells may be quoted and surrounded by spaces. If every value is
/// an integer in 0...255, the data set is stored as bytes, else as float32.
public enum CSVFile {
  /// Reads the file at `path`, plain or gzip, whichever its content says.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - classCount: the number of classes; nil for the largest label + 1.
  ///   - maximumBytes: the most bytes that the file may have, before and after inflation.
  /// - Returns: samples of shape `[columns - 1]`.
  /// - Throws: ``InputError`` if the file is missing or unreadable, or as
  ///   ``parse(_:source:classCount:)`` does.
  public static func read(
    path: String, classCount: Int? = nil, maximumBytes: Int = DatasetLimits.maximumBytes
  ) throws(InputError) -> LabeledDataset {
    var bytes = try WholeFile.read(path, maximumBytes: maximumBytes)
    if Gzip.isGzip(bytes) {
      bytes = try Gzip.inflate(bytes, maximumBytes: maximumBytes, source: path)
    }
    return try parse(bytes, source: path, classCount: classCount)
  }

  /// Reads plain text.
  ///
  /// - Parameters:
  ///   - text: the whole file, in ASCII or UTF-8.
  ///   - source: the file's name, for errors.
  ///   - classCount: the number of classes; nil for the largest label + 1.
  /// - Returns: samples of shape `[columns - 1]`.
  /// - Throws: ``InputError`` that names line and column, for a cell that is not a finite number, a
  ///   label outside the classes, or a line with more or fewer columns than the first; and one for
  ///   a text without samples.
  public static func parse(
    _ text: [UInt8], source: String, classCount: Int? = nil
  ) throws(InputError) -> LabeledDataset {
    var parser = CSVParser(source: source, classCount: classCount)
    try text.withUnsafeBufferPointer { text throws(InputError) in
      try parser.parse(text)
    }
    guard let first = parser.columnCount else {
      throw InputError(
        .malformed, source: source, found: "no samples",
        expected: "at least one line of a label and numbers")
    }
    return try LabeledDataset(
      name: source, checking: parser.samples, sampleShape: [first - 1], labels: parser.labels,
      classCount: classCount, labelSource: nil)
  }
}
