import BitCore
@testable import BitFiles
import BitFormats
import Foundation
import Testing

@Suite struct MappedFileTests {
  @Test(arguments: [0, 1, 4096, 10_000])
  func givesTheBytes(count: Int) throws {
    try withTemporaryFolder { folder in
      let expected = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try AtomicFile.write(to: folder + "/file") { try $0.write(expected) }
      let file = try MappedFile(path: folder + "/file")
      #expect(file.count == count)
      #expect(file.withUnsafeBytes { Array($0) } == expected)
    }
  }

  @Test func keepsTheOldBytesWhenTheFileIsReplaced() throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write("old", to: folder + "/file")
      let file = try MappedFile(path: folder + "/file")
      try AtomicFile.write("", to: folder + "/file")
      #expect(file.withUnsafeBytes { Array($0) } == Array("old".utf8))
    }
  }

  @Test func namesAMissingFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/none"
      let error = #expect(throws: InputError.self) { try MappedFile(path: path) }
      #expect(error?.kind == .missing)
      #expect(
        error?.description
          == "\(path): found No such file or directory, expected a readable file")
    }
  }

  @Test func refusesAFolder() throws {
    try withTemporaryFolder { folder in
      let error = #expect(throws: InputError.self) { try MappedFile(path: folder) }
      #expect(error?.kind == .inputOutput)
      #expect(error?.description == "\(folder): found a folder, expected a regular file")
    }
  }

  #if os(Linux) || os(macOS)
    /// In a process of its own, which is ended if it waits for somebody to write to the pipe.
    @Test func refusesAPipeWithoutWaiting() async {
      await #expect(processExitsWith: .success) {
        alarm(60)
        try withTemporaryFolder { folder in
          try #require(mkfifo(folder + "/pipe", 0o600) == 0)
          let error = #expect(throws: InputError.self) { try MappedFile(path: folder + "/pipe") }
          #expect(error?.found == "a device, pipe or socket")
        }
      }
    }
  #endif
}
