import BitCore
@testable import BitFiles
import BitFormats
import Foundation
import Testing

@Suite struct AtomicFileTests {
  struct Stopped: Error {}

  @Test func writesANewFileAndReplacesAnOldOne() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/file.txt"
      try AtomicFile.write("one", to: path)
      #expect(try bytes(ofFile: path) == Array("one".utf8))
      try AtomicFile.write(to: path) { writer in
        try writer.write([0x61, 0x62])
        try writer.write("c\u{e9}")
        #expect(writer.count == 5)
      }
      #expect(try bytes(ofFile: path) == Array("abc\u{e9}".utf8))
      #expect(try names(in: folder) == ["file.txt"])
    }
  }

  @Test func theOldFileIsThereUntilTheNewOneIsWhole() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/model"
      try AtomicFile.write("old", to: path)
      try AtomicFile.write(to: path) { writer in
        try writer.write("new")
        try writer.flush()
        #expect(try bytes(ofFile: path) == Array("old".utf8))
        let temporary = try names(in: folder).filter { $0 != "model" }
        #expect(temporary.count == 1)
        #expect(temporary.allSatisfy { $0.hasPrefix(".model.tmp-\(getpid())-") })
      }
      #expect(try bytes(ofFile: path) == Array("new".utf8))
    }
  }

  @Test func anErrorOfTheBodyLeavesTheOldFileAndNothingElse() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/model"
      try AtomicFile.write("old", to: path)
      #expect(throws: Stopped.self) {
        try AtomicFile.write(to: path) { writer in
          try writer.write([UInt8](repeating: 1, count: 3_000_000))
          throw Stopped()
        }
      }
      #expect(try bytes(ofFile: path) == Array("old".utf8))
      #expect(try names(in: folder) == ["model"])
    }
  }

  @Test func aFailedFirstWriteLeavesNothing() throws {
    try withTemporaryFolder { folder in
      #expect(throws: Stopped.self) {
        try AtomicFile.write(to: folder + "/model") { _ in throw Stopped() }
      }
      let left = try names(in: folder)
      #expect(left.isEmpty)
    }
  }

  @Test func keepsPermissionsAndLinks() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/real"
      try AtomicFile.write("old", to: path)
      try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/link", withDestinationPath: "real")
      try AtomicFile.write("new", to: folder + "/link")
      #expect(try bytes(ofFile: path) == Array("new".utf8))
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes[.posixPermissions] as? Int == 0o640)
      let link = try FileManager.default.attributesOfItem(atPath: folder + "/link")
      #expect(link[.type] as? FileAttributeType == .typeSymbolicLink)
      #expect(try names(in: folder) == ["link", "real"])
    }
  }

  @Test func writesUnderLongNames() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/" + String(repeating: "\u{e9}", count: 120) + "\u{301}"
      try AtomicFile.write("long", to: path)
      #expect(try bytes(ofFile: path) == Array("long".utf8))
      #expect(try names(in: folder).count == 1)
    }
  }

  @Test func namesAMissingFolder() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/none/file"
      let error = #expect(throws: InputError.self) { try AtomicFile.write("a", to: path) }
      #expect(error?.kind == .missing)
      #expect(
        error?.description
          == "\(path): found No such file or directory, expected to write the file")
    }
  }

  @Test func refusesFoldersDevicesAndEmptyNames() throws {
    try withTemporaryFolder { folder in
      let overFolder = #expect(throws: InputError.self) { try AtomicFile.write("a", to: folder) }
      #expect(
        overFolder?.description
          == "\(folder): found a folder, expected a regular file or a new name")
      let overDevice = #expect(throws: InputError.self) {
        try AtomicFile.write("a", to: "/dev/null")
      }
      #expect(overDevice?.found == "a device, pipe or socket")
      let noName = #expect(throws: InputError.self) {
        try AtomicFile.write("a", to: folder + "/none/")
      }
      #expect(noName?.found == "no file name")
    }
  }
}

#if os(Linux) || os(macOS)
  /// Each runs in a process of its own, which it may limit or kill.
  @Suite struct AtomicFileProcessTests {
    @Test func aFullDeviceLeavesTheOldFileAndNothingElse() async throws {
      await #expect(processExitsWith: .success) {
        try withTemporaryFolder { folder in
          let path = folder + "/model"
          try AtomicFile.write("old", to: path)
          signal(SIGXFSZ, SIG_IGN)
          var limit = rlimit(rlim_cur: 1_500_000, rlim_max: 1_500_000)
          #if os(Linux)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
          #else
            #expect(setrlimit(RLIMIT_FSIZE, &limit) == 0)
          #endif
          let error = #expect(throws: InputError.self) {
            try AtomicFile.write(to: path) { writer in
              for _ in 0..<30 { try writer.write([UInt8](repeating: 7, count: 100_000)) }
            }
          }
          #expect(error?.kind == .inputOutput)
          #expect(error?.source == path)
          #expect(error?.found == "File too large")
          #expect(try bytes(ofFile: path) == Array("old".utf8))
          #expect(try names(in: folder) == ["model"])
        }
      }
    }

    @Test func aKillLeavesTheOldFileAndAHiddenTemporary() async throws {
      let folder = NSTemporaryDirectory() + "/BitFormatsTests-kill-\(getpid())"
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: false)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      try AtomicFile.write("old", to: folder + "/model")
      await #expect(processExitsWith: .signal(SIGKILL)) {
        let folder = NSTemporaryDirectory() + "/BitFormatsTests-kill-\(getppid())"
        try AtomicFile.write(to: folder + "/model") { writer in
          try writer.write("new")
          try writer.flush()
          kill(getpid(), SIGKILL)
        }
      }
      #expect(try bytes(ofFile: folder + "/model") == Array("old".utf8))
      let left = try names(in: folder)
      #expect(left.count == 2)
      #expect(left.first?.hasPrefix(".model.tmp-") == true)
    }
  }
#endif
