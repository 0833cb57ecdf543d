import BitCore
import BitFormats
import BitNN
import Foundation

/// Pictures of a few bytes that are easy to tell apart: class c has its c-th band bright.
struct TinyData {
  var trainCount = 64
  var testCount = 30
  var side = 8
  var classCount = 3
  var seed: UInt64 = 1

  /// One of the two parts, `train` or `t10k`.
  struct Part {
    let name: String
    let pixels: [UInt8]
    let labels: [UInt8]
  }

  var parts: [Part] {
    var random = SeededGenerator(seed: seed)
    return [("train", trainCount), ("t10k", testCount)].map { name, count in
      let labels = (0..<count).map { UInt8($0 % classCount) }
      var pixels: [UInt8] = []
      for label in labels {
        for pixel in 0..<side * side {
          let isBright = pixel / side * classCount / side == Int(label)
          pixels.append((isBright ? 150 : 0) + UInt8(60 * random.nextUniform()))
        }
      }
      return Part(name: name, pixels: pixels, labels: labels)
    }
  }

  /// Writes the four IDX files, plain or gzip, into a new folder and returns its path.
  @discardableResult
  func writeIDX(
    _ name: String = "data", in folder: TemporaryFolder, isGzip: Bool = false
  ) throws -> String {
    let path = try folder.make(name)
    for part in parts {
      let images = Self.idx([part.labels.count, side, side], part.pixels)
      let labels = Self.idx([part.labels.count], part.labels)
      for (kind, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
        try folder.write(
          "\(name)/\(part.name)-\(kind)-ubyte" + (isGzip ? ".gz" : ""),
          isGzip ? Self.gzip(bytes) : bytes)
      }
    }
    return path
  }

  /// How the columns of a CSV file are arranged.
  enum CSVColumns: String {
    /// Without a header, the label first.
    case plain
    /// Row numbers without a name, the label, the pixels.
    case indexFirst
    /// The pixels, then the label.
    case labelLast
    /// The pixels, then the label under the name "species".
    case otherName
  }

  /// Writes train.csv and test.csv into a new folder and returns its path.
  @discardableResult
  func writeCSV(
    _ name: String = "data", in folder: TemporaryFolder, columns: CSVColumns = .plain
  ) throws -> String {
    let path = try folder.make(name)
    for (part, file) in zip(parts, ["train.csv", "test.csv"]) {
      try folder.write("\(name)/\(file)", csv(part, columns))
    }
    return path
  }

  private func csv(_ part: Part, _ columns: CSVColumns) -> String {
    let features = side * side
    func line(_ index: String, _ label: String, _ pixels: some Sequence<String>) -> String {
      let cells =
        switch columns {
        case .plain: [label] + pixels
        case .indexFirst: [index, label] + pixels
        case .labelLast, .otherName: pixels + [label]
        }
      return cells.joined(separator: ",") + "\n"
    }
    let header =
      columns == .plain
      ? ""
      : line("", columns == .otherName ? "species" : "label", (0..<features).map { "p\($0)" })
    return part.labels.enumerated().reduce(header) { text, sample in
      let pixels = part.pixels[sample.offset * features..<(sample.offset + 1) * features]
      return text + line("\(sample.offset)", "\(sample.element)", pixels.map { "\($0)" })
    }
  }

  /// An IDX file of unsigned bytes.
  static func idx(_ extents: [Int], _ values: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0, 0, 8, UInt8(extents.count)]
    for extent in extents {
      bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> $0) }
    }
    return bytes + values
  }

  /// A gzip file of stored blocks (RFC 1951 and 1952).
  static func gzip(_ bytes: [UInt8]) -> [UInt8] {
    func littleEndian(_ value: Int, bytes: Int) -> [UInt8] {
      (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    var result: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
    for start in stride(from: 0, to: bytes.count, by: 65_535) {
      let block = bytes[start..<min(start + 65_535, bytes.count)]
      result.append(block.endIndex == bytes.count ? 1 : 0)
      result += littleEndian(block.count, bytes: 2) + littleEndian(~block.count, bytes: 2) + block
    }
    var checksum: UInt32 = .max
    for byte in bytes {
      checksum ^= UInt32(byte)
      for _ in 0..<8 { checksum = checksum >> 1 ^ (checksum & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    return result + littleEndian(Int(~checksum), bytes: 4) + littleEndian(bytes.count, bytes: 4)
  }
}

/// The arguments of a training that takes a moment and learns ``TinyData`` well.
func trainArguments(
  data: String, out: String, epochs: Int = 8, _ more: [String] = []
) -> [String] {
  [
    "train", "--data", data, "--out", out, "--layers", "18", "--epochs", "\(epochs)",
    "--batch-size", "16", "--learning-rate", "0.02",
  ] + more
}
