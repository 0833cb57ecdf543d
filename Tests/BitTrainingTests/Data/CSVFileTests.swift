import BitCore
import BitFormats
@testable import BitTraining
import TestSupport
import Testing

import BitNN

@Suite struct CSVFileTests {
  private func parse(
    _ text: String, labelColumn: String? = nil, classCount: Int? = nil
  ) throws -> LabeledDataset {
    try CSVFile.parse(
      Array(text.utf8), source: "a.csv", labelColumn: labelColumn, classCount: classCount)
  }

  private func values(_ data: LabeledDataset) -> [Float] {
    data.inputs(0..<data.count, standardization: Standardization(mean: 0, deviation: 1)).scalars
  }

  @Test(arguments: [
    "1,0,255\n0,7,8\n",
    "1,0,255\n0,7,8",
    "1,0,255\r\n0,7,8\r\n",
    "label,a,b\n1,0,255\n0,7,8\n",
    "\"label\",\"0\",\"1\"\r\n1,0,255\r\n0,7,8\r\n",
    "\u{feff}1,0,255\n0,7,8\n",
    "\n\n1,0,255\n  \n0,7,8\n\r\n\n",
    "\"1\",\"0\",\"255\"\n\" 0 \", \"7\" ,\t8\n",
    "1.0,0.0,2.55e2\n0,+7,8.\n",
    "1,-0,255\n0,007,8\n",
  ])
  func readsBytes(text: String) throws {
    let data = try parse(text)
    #expect(data.labels == [1, 0])
    #expect(data.classCount == 2)
    #expect(data.sampleShape == [2])
    guard case .bytes(let bytes) = data.samples else {
      Issue.record("stored as floats")
      return
    }
    #expect(bytes == [0, 255, 7, 8])
  }

  @Test(
    arguments: [
      ("256", 256), ("-1", -1), ("0.5", 0.5), (".25", 0.25), ("-1e-3", -1e-3),
      ("16777216", 16_777_216),
      ("16777217", 16_777_216), ("0.1", 0.1), ("3.14159265358979", 3.141_592_653_589_79),
      ("0.00000000001", 1e-11), ("1E38", 1e38),
      (
        "-340282346638528859811704183484516925440",
        -Float.greatestFiniteMagnitude
      ), ("1e-60", 0),
    ] as [(String, Float)])
  func readsFloats(cell: String, value: Float) throws {
    let data = try parse("0,3,4\n1,\(cell),0.5\n2,1,2\n")
    guard case .floats(let floats) = data.samples else {
      Issue.record("stored as bytes")
      return
    }
    #expect(floats == [3, 4, value, 0.5, 1, 2])
    #expect(values(data) == floats)
  }

  /// Every short decimal is read as the standard library reads it.
  @Test func roundsAsTheStandardLibrary() throws {
    var random = SeededGenerator(seed: 1)
    let cells = (0..<2000).map { _ in
      let digits = Int.random(in: 0...20_000_000, using: &random)
      let fraction = Int.random(in: 0...999_999, using: &random)
      return Bool.random(using: &random)
        ? "-\(digits % 50).\(fraction)" : "\(digits).\(fraction % 10)"
    }
    let data = try parse("0,0.5," + cells.joined(separator: ","))
    #expect(values(data).dropFirst() == cells.compactMap { Float($0) }[...])
  }

  @Test(arguments: [false, true])
  func readsPlainAndGzipByContent(compressed: Bool) throws {
    let folder = try TemporaryFolder()
    let text = Array("0,1\n2,3\n".utf8)
    let path = try folder.write(compressed ? "a.csv" : "a.csv.gz", compressed ? gzip(text) : text)
    let data = try CSVFile.read(path: path)
    #expect(data.name == path)
    #expect(data.labels == [0, 2])
    #expect(data.classCount == 3)
    #expect(values(data) == [1, 3])
  }

  @Test func gzipBombAndMissingFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.csv", gzip([UInt8](repeating: 0x0a, count: 100_000)))
    #expect(
      message { _ = try CSVFile.read(path: path, maximumBytes: 5000) }
        == "\(path): found gzip content of more than 5000 bytes, expected at most 5000 bytes")
    #expect(
      message { _ = try CSVFile.read(path: "\(folder.path)/b.csv") }
        == "\(folder.path)/b.csv: found No such file or directory, expected a readable file")
  }

  @Test(arguments: ["", "\n", "\r\n \n", "label,a,b\n"])
  func empty(text: String) {
    #expect(
      message { _ = try parse(text) }
        == "a.csv: found no samples, expected at least one line of a label and numbers")
  }

  @Test(arguments: [
    ("0,1,2\n1,2\n", "a.csv:2: found 2 columns, expected 3, as in line 1"),
    ("label,a,b\n\n0,1,2\n1,2,3,4\n", "a.csv:4: found 4 columns, expected 3, as in line 3"),
    ("0,1,2\n7", "a.csv:2: found 1 column, expected 3, as in line 1"),
    ("5\n", "a.csv:1: found 1 column, expected a label and at least one number, between commas"),
    (
      "l;a\n5;3\n",
      "a.csv:2: found 1 column, expected a label and at least one number, between commas"
    ),
    ("0,1,x\n", "a.csv:1: found \"x\" in column 3, expected a number"),
    ("label,a\n0,\n", "a.csv:2: found \"\" in column 2, expected a number"),
    ("0,1\n0,1 2\n", "a.csv:2: found \"1 2\" in column 2, expected a number"),
    ("0,0x10\n", "a.csv:1: found \"0x10\" in column 2, expected a number"),
    ("0,1-2\n", "a.csv:1: found \"1-2\" in column 2, expected a number"),
    ("0,.\n", "a.csv:1: found \".\" in column 2, expected a number"),
    ("0,-\n", "a.csv:1: found \"-\" in column 2, expected a number"),
    ("0,1.2.3\n", "a.csv:1: found \"1.2.3\" in column 2, expected a number"),
    ("0,\"1\n", "a.csv:1: found \"\\\"1\" in column 2, expected a number"),
    ("0,\"\n", "a.csv:1: found \"\\\"\" in column 2, expected a number"),
    ("0,\u{0}\u{1b}[2J\n", "a.csv:1: found \"\\0\\u{1B}[2J\" in column 2, expected a number"),
    (
      "0," + String(repeating: "y", count: 99),
      "a.csv:1: found \"\(String(repeating: "y", count: 32))...\" in column 2, expected a number"
    ),
    (
      "0,1\n1,nan\n",
      "a.csv:2: found \"nan\" in column 2, expected a finite number in the range of float32"
    ),
    (
      "0,1\n1,-inf\n",
      "a.csv:2: found \"-inf\" in column 2, expected a finite number in the range of float32"
    ),
    (
      "0,1e39\n",
      "a.csv:1: found \"1e39\" in column 2, expected a finite number in the range of float32"
    ),
    ("0,1\nx,1\n", "a.csv:2: found label \"x\" in column 1, expected an integer in 0..<65536"),
    ("-1,1\n", "a.csv:1: found label \"-1\" in column 1, expected an integer in 0..<65536"),
    ("nan,1\n", "a.csv:1: found label \"nan\" in column 1, expected an integer in 0..<65536"),
    ("0.5,1\n", "a.csv:1: found label \"0.5\" in column 1, expected an integer in 0..<65536"),
    ("65536,1\n", "a.csv:1: found label \"65536\" in column 1, expected an integer in 0..<65536"),
    ("1e30,1\n", "a.csv:1: found label \"1e30\" in column 1, expected an integer in 0..<65536"),
  ])
  func badCells(text: String, expected: String) {
    #expect(message { _ = try parse(text) } == expected)
  }

  @Test func kinds() {
    #expect(kind { _ = try parse("0,nan\n") } == .notFinite)
    #expect(kind { _ = try parse("0,x\n") } == .malformed)
    #expect(kind { _ = try parse("-1,2\n") } == .mismatch)
  }

  @Test func invalidUTF8() {
    #expect(
      message { _ = try CSVFile.parse([0x30, 0x2c, 0xff, 0xfe], source: "a.csv") }
        == "a.csv:1: found \"\u{fffd}\u{fffd}\" in column 2, expected a number")
  }

  @Test(arguments: [3, Int.max])
  func givenClasses(classCount: Int) throws {
    #expect(try parse("0,1\n2,1\n", classCount: classCount).classCount == classCount)
    #expect(
      message { _ = try parse("0,1\n9e18,1\n", classCount: classCount) }
        == "a.csv:2: found label \"9e18\" in column 1, expected an integer in 0..<\(classCount)")
  }

  @Test func labelOutsideTheGivenClasses() {
    #expect(
      message { _ = try parse("label,a\n0,1\n3,1\n", classCount: 3) }
        == "a.csv:3: found label \"3\" in column 1, expected an integer in 0..<3")
  }

  // MARK: - The column of the labels

  @Test(
    arguments: [
      ("label,a,b\n1,5,6\n0,7,8\n", nil), ("a,b,label\n5,6,1\n7,8,0\n", nil),
      ("a,CLASS,b\n5,1,6\n7,0,8\n", nil), (" a , \"Label\" ,b\n5,1,6\n7,0,8\n", nil),
      // Row numbers as data frames write them; they need not be numbers.
      (",label,a,b\n0,1,5,6\n1,0,7,8\n", nil), ("\"\",a,b,label\nx,5,6,1\ny,7,8,0\n", nil),
      // Columns whose names are numbers.
      ("0,1,label\n5,6,1\n7,8,0\n", nil), ("a,7,b\n5,1,6\n7,0,8\n", "7"),
      ("9,7,8\n5,1,6\n7,0,8\n", "7"),
      ("species,a,b\n1,5,6\n0,7,8\n", "species"), ("a,label,y\n5,6,1\n7,8,0\n", "y"),
      (",a,y,b\n0,5,1,6\n1,7,0,8\n", "y"),
    ] as [(String, String?)])
  func labelsAreWhereTheHeaderSays(_ text: String, _ labelColumn: String?) throws {
    let data = try parse(text, labelColumn: labelColumn)
    #expect(data.labels == [1, 0])
    #expect(values(data) == [5, 6, 7, 8])
    #expect(data.featureNames?.count == 2)
  }

  @Test(
    arguments: [
      (
        "species,a\n1,2\n", nil,
        "a.csv:1: found no column named label or class in the header (\"species\", \"a\"), "
          + "expected one column of labels, or its name (--label-column)"
      ),
      (
        ",a\n1,2\n", nil,
        "a.csv:1: found no column named label or class in the header (\"\", \"a\"), "
          + "expected one column of labels, or its name (--label-column)"
      ),
      (
        "label,class,a\n1,2,3\n", nil,
        "a.csv:1: found 2 columns named label or class, expected one column of labels, or its name "
          + "(--label-column)"
      ),
      (
        "\nlabel,a\n1,2\n", "Label",
        "a.csv:2: found no column named \"Label\" in the header (\"label\", \"a\"), expected one "
          + "column of labels"
      ),
      (
        "1,2\n3,4\n", "y",
        "a.csv:1: found numbers in the first line, expected a header with a column named \"y\""
      ),
      ("label,a\n1,2,3\n", nil, "a.csv:2: found 3 columns, expected 2, as in line 1"),
      (",label\n0,1\n", nil, "a.csv:2: found 2 columns, expected a label and at least one number"),
      (
        "a,b,label\n1,2,x\n", nil,
        "a.csv:2: found label \"x\" in column 3, expected an integer in 0..<65536"
      ),
    ] as [(String, String?, String)])
  func labelsThatAreNotFound(_ text: String, _ labelColumn: String?, _ expected: String) {
    #expect(message { _ = try parse(text, labelColumn: labelColumn) } == expected)
  }

  @Test(arguments: [0, 1])
  func rowNumbersAreNoLabels(_ first: Int) throws {
    func text(_ labels: some Sequence<Int>) -> String {
      labels.map { "\($0),5,2\n" }.joined()
    }
    #expect(
      message { _ = try parse(text(first..<first + 10)) }
        == "a.csv: found \(first), \(first + 1), \(first + 2) and so on in the first column, as row "
        + "numbers, expected labels there, or a header with a column named label or class")
    // A few rows may have a class each, and any other order is one of classes.
    #expect(try parse(text(first..<first + 9)).count == 9)
    #expect(try parse(text((first..<first + 10).reversed())).count == 10)
    #expect(try parse(text(Array(first..<first + 9) + [first])).count == 10)
    // A header that names the column is believed.
    #expect(try parse("label,a,b\n" + text(first..<first + 10)).count == 10)
  }
}
