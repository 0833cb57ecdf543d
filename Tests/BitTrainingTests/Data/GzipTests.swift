import BitCore
import BitFormats
@testable import BitTraining
import TestSupport
import Testing

import BitNN

@Suite struct GzipTests {
  /// Text that compresses, with parts that do not.
  static let content = (0..<2000).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }

  @Test(arguments: [0, 1, 2000, 300_000])
  func inflatesWhatZlibDeflated(count: Int) throws {
    let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }
    #expect(try Gzip.inflate(gzip(content), maximumBytes: count, source: "a.gz") == content)
  }

  @Test func readsAFixedFile() throws {
    // "bits\n", with the file name "bits" in the header.
    let file: [UInt8] = [
      0x1f, 0x8b, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x62, 0x69, 0x74, 0x73, 0x00,
      0x4b, 0xca, 0x2c, 0x29, 0xe6, 0x02, 0x00,
    ]
    let trailer: [UInt8] = [0x1e, 0x68, 0xc1, 0xd4, 0x05, 0x00, 0x00, 0x00]
    #expect(
      try Gzip.inflate(file + trailer, maximumBytes: 100, source: "bits.gz") == Array("bits\n".utf8)
    )
  }

  @Test func joinsMembers() throws {
    let file = gzip(Self.content) + gzip([]) + gzip([1, 2, 3])
    #expect(
      try Gzip.inflate(file, maximumBytes: 5000, source: "a.gz") == Self.content + [1, 2, 3])
  }

  @Test func refusesACutStreamWhereverItIsCut() {
    let file = gzip(Self.content)
    for length in 2..<file.count {
      let text = message {
        _ = try Gzip.inflate(Array(file[..<length]), maximumBytes: 5000, source: "a.gz")
      }
      #expect(text == "a.gz: found a gzip stream cut after \(length) bytes, expected its end")
    }
  }

  @Test func refusesACutSecondMember() {
    let file = gzip(Self.content) + gzip(Self.content).dropLast()
    #expect(
      message { _ = try Gzip.inflate(file, maximumBytes: 5000, source: "a.gz") }
        == "a.gz: found a gzip stream cut after \(file.count) bytes, expected its end")
  }

  @Test(
    arguments: [
      ([], "0 bytes"), ([0x1f], "1 bytes"), ([0x50, 0x4b, 3, 4], "magic number 0x504b"),
    ] as [([UInt8], String)])
  func refusesAnotherFormat(bytes: [UInt8], found: String) {
    #expect(
      message { _ = try Gzip.inflate(bytes, maximumBytes: 5000, source: "a.gz") }
        == "a.gz: found \(found), expected the gzip magic number 0x1f8b")
  }

  @Test func refusesAWrongChecksum() {
    var file = gzip(Self.content)
    file[file.count - 8] ^= 1
    #expect(
      message { _ = try Gzip.inflate(file, maximumBytes: 5000, source: "a.gz") }
        == "a.gz: found gzip content that does not match its CRC-32, expected an undamaged file")
  }

  @Test func refusesAWrongLength() {
    var file = gzip(Self.content)
    file[file.count - 1] ^= 1
    #expect(
      message { _ = try Gzip.inflate(file, maximumBytes: 5000, source: "a.gz") }
        == "a.gz: found damaged gzip data (incorrect length check), expected an undamaged file")
  }

  @Test func refusesAnUnknownMethod() {
    var file = gzip(Self.content)
    file[2] = 7
    #expect(
      message { _ = try Gzip.inflate(file, maximumBytes: 5000, source: "a.gz") }
        == "a.gz: found damaged gzip data (unknown compression method), expected an undamaged file")
  }

  @Test func everyFlippedByteIsNoticedOrHarmless() throws {
    let file = gzip(Self.content)
    for index in file.indices {
      var damaged = file
      damaged[index] ^= 0x10
      let result = try? Gzip.inflate(damaged, maximumBytes: 5000, source: "a.gz")
      // Time stamp, system and the like may change without harm, content never.
      #expect(result == nil || result == Self.content && index < 10, "byte \(index)")
    }
  }

  @Test func refusesBytesAfterTheEnd() {
    #expect(
      message { _ = try Gzip.inflate(gzip([1]) + [0, 0, 0], maximumBytes: 5000, source: "a.gz") }
        == "a.gz: found 3 bytes after the end of the gzip stream, expected none")
  }

  @Test(arguments: [0, 1, 131_071, 131_072, 999_999])
  func refusesABomb(limit: Int) {
    let bomb = gzip([UInt8](repeating: 0, count: 1_000_000))
    #expect(bomb.count < 2000)
    #expect(
      message { _ = try Gzip.inflate(bomb, maximumBytes: limit, source: "a.gz") }
        == "a.gz: found gzip content of more than \(limit) bytes, expected at most \(limit) bytes")
  }

  @Test func acceptsContentOfTheLimit() throws {
    let file = gzip([UInt8](repeating: 7, count: 131_072))
    #expect(try Gzip.inflate(file, maximumBytes: 131_072, source: "a.gz").count == 131_072)
    #expect(try Gzip.inflate(file, maximumBytes: .max, source: "a.gz").count == 131_072)
  }

  @Test func prefixStopsEarly() throws {
    let file = gzip(Self.content)
    #expect(try Gzip.prefix(file, count: 7, source: "a.gz") == Array(Self.content[..<7]))
    #expect(try Gzip.prefix(file, count: 9999, source: "a.gz") == Self.content)
  }
}
