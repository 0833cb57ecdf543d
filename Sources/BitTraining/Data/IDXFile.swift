import BitCore
import BitFiles

/// An array of unsigned bytes in the IDX format, in which MNIST and similar data sets are published.
///
/// The file begins with the big-endian magic number 0x0000TTDD: TT is the type of the values (0x08
/// for unsigned bytes, the only one read here) and DD the number of dimensions. Their extents
/// follow, four big-endian bytes each, then the values, the last dimension running fastest.
struct IDXFile: Sendable {
  /// The extents, outermost first: `[60000, 28, 28]` for images, `[60000]` for labels.
  let shape: Shape
  /// The `shape.scalarCount` values.
  let values: [UInt8]

  /// Reads the file at `path`, plain or gzip, whichever its content says.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - rank: the number of dimensions that it must have; nil for any from 1 to 255.
  ///   - maximumBytes: the most bytes that the file may have, before and after inflation.
  /// - Throws: ``InputError`` if the file is missing or unreadable, or as
  ///   ``init(bytes:source:rank:maximumBytes:)`` does.
  static func read(
    path: String, rank: Int? = nil, maximumBytes: Int = DatasetLimits.maximumBytes
  ) throws(InputError) -> IDXFile {
    let bytes = try MappedFile.contents(of: path, limit: maximumBytes)
    return try IDXFile(bytes: bytes, source: path, rank: rank, maximumBytes: maximumBytes)
  }

  /// Reads the content of a file, plain or gzip.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - source: the file's name, for errors.
  ///   - rank: the number of dimensions that it must have; nil for any from 1 to 255.
  ///   - maximumBytes: the most bytes that it may have after inflation.
  /// - Throws: ``InputError`` for a wrong magic number, another type than unsigned bytes, extents
  ///   whose product is too large, missing or surplus bytes, or damaged gzip data.
  init(
    bytes: [UInt8], source: String, rank: Int? = nil,
    maximumBytes: Int = DatasetLimits.maximumBytes
  ) throws(InputError) {
    let isGzip = Gzip.isGzip(bytes)
    let start =
      isGzip
      ? try Gzip.prefix(bytes, count: Header.maximumBytes, source: source)
      : Array(bytes.prefix(Header.maximumBytes))
    let header = try Header(start, source: source, rank: rank)
    guard header.fileBytes <= maximumBytes else {
      throw InputError(
        .unsupported, source: source, found: "extents \(header.extents) that need more bytes",
        expected: "at most \(maximumBytes) bytes")
    }

    // The header bounds what may come out of a gzip stream.
    let content =
      isGzip
      ? try Gzip.inflate(bytes, maximumBytes: header.fileBytes, source: source) : bytes
    guard content.count == header.fileBytes else {
      throw InputError(
        .malformed, source: source, found: "\(content.count) bytes",
        expected: "\(header.fileBytes) bytes for extents \(header.extents)")
    }
    shape = Shape(header.extents)
    values = Array(content[header.headerBytes...])
  }
}

/// The checked beginning of an IDX file.
private struct Header {
  /// The longest header: the magic number and 255 extents.
  static let maximumBytes = 4 + 4 * 255
  /// The codes of the types that IDX knows but this reader does not.
  static let otherTypes: [UInt8: String] = [
    0x09: "signed bytes", 0x0b: "16-bit integers", 0x0c: "32-bit integers", 0x0d: "float32",
    0x0e: "float64",
  ]

  let extents: [Int]
  let headerBytes: Int
  /// Header and values together.
  let fileBytes: Int

  init(_ start: [UInt8], source: String, rank: Int?) throws(InputError) {
    guard start.count >= 4 else {
      throw InputError(
        .malformed, source: source, found: "\(start.count) bytes",
        expected: "at least the 4 of a magic number")
    }
    let magic = "magic number 0x\(ErrorText.hex(start[..<4]))"
    let dimensions = Int(start[3])
    if start[0] == 0, start[1] == 0, let type = Self.otherTypes[start[2]] {
      throw InputError(
        .unsupported, source: source, found: "\(magic) (\(type))",
        expected: "type 0x08 (unsigned bytes)")
    }
    guard start[0] == 0, start[1] == 0, start[2] == 0x08, dimensions > 0,
      rank == nil || rank == dimensions
    else {
      let expected = rank.map { "0x000008" + ErrorText.hex([UInt8(truncatingIfNeeded: $0)]) }
      throw InputError(
        .malformed, source: source, found: magic,
        expected: expected ?? "0x000008 and a number of dimensions")
    }

    headerBytes = 4 + 4 * dimensions
    guard start.count >= headerBytes else {
      throw InputError(
        .malformed, source: source, found: "\(start.count) bytes",
        expected: "at least \(headerBytes), the header of \(dimensions) dimensions")
    }
    let words = (0..<dimensions).map { axis in
      start[(4 + 4 * axis)..<(8 + 4 * axis)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    guard let size = Self.size(words, headerBytes: headerBytes) else {
      throw InputError(
        .malformed, source: source, found: "extents \(words), whose product overflows",
        expected: "a number of bytes")
    }
    extents = words.map { Int($0) }
    fileBytes = size
  }

  /// Header plus product of the extents; nil if that does not fit. Zeros are left out of the check,
  /// so that the product of fewer axes - the size of one sample - fits as well.
  private static func size(_ words: [UInt32], headerBytes: Int) -> Int? {
    var product = 1
    for word in words where word > 0 {
      guard let extent = Int(exactly: word) else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      product = next
    }
    let values = words.contains(0) ? 0 : product
    let (total, overflow) = values.addingReportingOverflow(headerBytes)
    return overflow ? nil : total
  }
}
