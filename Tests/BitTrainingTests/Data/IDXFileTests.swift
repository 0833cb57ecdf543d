import BitCore
import BitFiles
import BitFormats
@testable import BitTraining
import Foundation
import TestSupport
import Testing

import BitNN

@Suite struct IDXFileTests {
  static let images = idx([2, 2, 3], Array(1...12))

  @Test(arguments: [false, true])
  func readsPlainAndGzipByContent(compressed: Bool) throws {
    let folder = try TemporaryFolder()
    // The name says the opposite of the content.
    let name = compressed ? "images" : "images.gz"
    let path = try folder.write(name, compressed ? gzip(Self.images) : Self.images)
    let file = try IDXFile.read(path: path, rank: 3)
    #expect(file.shape == [2, 2, 3])
    #expect(file.values == Array(1...12))
  }

  @Test func readsBigEndianExtents() throws {
    let file = try IDXFile(
      bytes: [0, 0, 8, 1, 0, 0, 1, 2] + [UInt8](repeating: 5, count: 258), source: "a")
    #expect(file.shape == [258])
  }

  @Test func missingFile() {
    #expect(
      message { _ = try IDXFile.read(path: "/nonexistent/a") }
        == "/nonexistent/a: found No such file or directory, expected a readable file")
    #expect(kind { _ = try IDXFile.read(path: "/nonexistent/a") } == .missing)
  }

  @Test func folderAndDevice() {
    #expect(
      message { _ = try IDXFile.read(path: "/") } == "/: found a folder, expected a regular file")
    #expect(
      message { _ = try IDXFile.read(path: "/dev/zero") }
        == "/dev/zero: found a device, pipe or socket, expected a regular file")
  }

  @Test func pipeWithoutAWriter() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/pipe"
    try #require(mkfifo(path, 0o600) == 0)
    #expect(
      message { _ = try IDXFile.read(path: path) }
        == "\(path): found a device, pipe or socket, expected a regular file")
  }

  @Test(.enabled(if: geteuid() != 0, "root may read everything"))
  func unreadableFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("images", Self.images)
    chmod(path, 0)
    #expect(
      message { _ = try IDXFile.read(path: path) }
        == "\(path): found an error: Permission denied, expected a readable file")
  }

  @Test func fileLargerThanTheLimit() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("images", Self.images)
    #expect(
      message { _ = try IDXFile.read(path: path, maximumBytes: 27) }
        == "\(path): found 28 bytes, expected at most 27 bytes")
    #expect(try IDXFile.read(path: path, maximumBytes: 28).values.count == 12)
  }

  @Test(arguments: 0..<28)
  func cutAnywhere(length: Int) {
    let expected =
      switch length {
      case ..<4: "at least the 4 of a magic number"
      case ..<16: "at least 16, the header of 3 dimensions"
      default: "28 bytes for extents [2, 2, 3]"
      }
    let cut = Array(Self.images[..<length])
    let text = "a: found \(length) bytes, expected \(expected)"
    #expect(message { _ = try IDXFile(bytes: cut, source: "a", rank: 3) } == text)
    // The same cut inside a sound gzip file.
    #expect(message { _ = try IDXFile(bytes: gzip(cut), source: "a", rank: 3) } == text)
  }

  @Test func cutGzip() {
    let file = gzip(Self.images)
    let cut = Array(file.dropLast(3))
    #expect(
      message { _ = try IDXFile(bytes: cut, source: "a.gz", rank: 3) }
        == "a.gz: found a gzip stream cut after \(cut.count) bytes, expected its end")
  }

  @Test(
    arguments: [
      ([0, 0, 8, 1], "0x00000801"), ([0, 0, 8, 0], "0x00000800"), ([1, 0, 8, 3], "0x01000803"),
      ([0, 1, 8, 3], "0x00010803"), ([0, 0, 7, 3], "0x00000703"),
      ([0x89, 0x50, 0x4e, 0x47], "0x89504e47"),
    ] as [([UInt8], String)])
  func wrongMagic(magic: [UInt8], shown: String) {
    let bytes = magic + Self.images.dropFirst(4)
    #expect(
      message { _ = try IDXFile(bytes: bytes, source: "a", rank: 3) }
        == "a: found magic number \(shown), expected 0x00000803")
  }

  @Test func noDimensions() {
    #expect(
      message { _ = try IDXFile(bytes: [0, 0, 8, 0], source: "a") }
        == "a: found magic number 0x00000800, expected 0x000008 and a number of dimensions")
  }

  @Test(
    arguments: [
      (0x09, "signed bytes"), (0x0b, "16-bit integers"), (0x0c, "32-bit integers"),
      (0x0d, "float32"), (0x0e, "float64"),
    ] as [(UInt8, String)])
  func otherTypes(type: UInt8, name: String) {
    let bytes = idx([1], [1, 2, 3, 4], type: type)
    #expect(
      message { _ = try IDXFile(bytes: bytes, source: "a", rank: 1) }
        == "a: found magic number 0x0000\(ErrorText.hex([type]))01 (\(name)), "
        + "expected type 0x08 (unsigned bytes)")
    #expect(kind { _ = try IDXFile(bytes: bytes, source: "a") } == .unsupported)
  }

  @Test(
    arguments: [
      [0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
      // A zero does not excuse the size of one sample.
      [0, 0xffff_ffff, 0xffff_ffff],
      [0xffff_ffff, 0xffff_ffff, 0],
    ] as [[UInt32]])
  func overflowingExtents(extents: [UInt32]) {
    #expect(
      message { _ = try IDXFile(bytes: idx(extents, [1, 2]), source: "a") }
        == "a: found extents \(extents), whose product overflows, expected a number of bytes")
  }

  @Test func extentsBeyondTheLimit() {
    let bytes = idx([1 << 31, 1 << 31], [1, 2])
    #expect(
      message { _ = try IDXFile(bytes: bytes, source: "a") }
        == "a: found extents [2147483648, 2147483648] that need more bytes, "
        + "expected at most 2147483647 bytes")
  }

  @Test func trailingBytes() {
    #expect(
      message { _ = try IDXFile(bytes: Self.images + [0], source: "a") }
        == "a: found 29 bytes, expected 28 bytes for extents [2, 2, 3]")
  }

  @Test func bombBehindASmallHeader() {
    let bomb = gzip(Self.images + [UInt8](repeating: 0, count: 1_000_000))
    #expect(
      message { _ = try IDXFile(bytes: bomb, source: "a.gz") }
        == "a.gz: found gzip content of more than 28 bytes, expected at most 28 bytes")
  }

  @Test func emptyArrayIsAnArray() throws {
    #expect(try IDXFile(bytes: idx([0, 28, 28], []), source: "a").shape == [0, 28, 28])
  }

  @Test func longestHeader() throws {
    let extents = [UInt32](repeating: 1, count: 255)
    #expect(try IDXFile(bytes: gzip(idx(extents, [9])), source: "a").values == [9])
  }
}
