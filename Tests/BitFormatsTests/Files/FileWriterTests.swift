import BitCore
@testable import BitFiles
import BitFormats
import Foundation
import Testing

@Suite struct FileWriterTests {
  @Test(arguments: [1, 2, 7, 8, 1 << 20])
  func bytesArriveInOrder(bufferSize: Int) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/file"
      let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
      try #require(descriptor >= 0)
      var writer = FileWriter(descriptor: descriptor, source: path, bufferSize: bufferSize)
      var expected: [UInt8] = []
      for size in [0, 1, 3, 8, 2, 0, 21, 1, 1] {
        let piece = (0..<size).map { UInt8(truncatingIfNeeded: expected.count + $0) }
        try writer.write(piece)
        expected += piece
      }
      #expect(writer.count == expected.count)
      try writer.flush()
      close(descriptor)
      #expect(try bytes(ofFile: path) == expected)
    }
  }

  /// A pipe that does not block takes part of a large write, then nothing until it is read.
  @Test func goesOnAfterAShortWrite() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    let (input, output) = (ends[0], ends[1])
    defer { close(input) }
    // The processes of other tests would keep the pipe open.
    for end in ends { try #require(fcntl(end, F_SETFD, FD_CLOEXEC) == 0) }
    try #require(fcntl(output, F_SETFL, O_NONBLOCK) == 0)
    let expected = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    let result = startReading(input, count: expected.count)
    var writer = FileWriter(descriptor: output, source: "pipe", bufferSize: 100_000)
    try writer.write(expected)
    try writer.flush()
    close(output)
    #expect(result() == expected)
  }

  #if os(Linux)
    @Test func namesAFullDevice() throws {
      let descriptor = open("/dev/full", O_WRONLY)
      try #require(descriptor >= 0)
      defer { close(descriptor) }
      let error = #expect(throws: InputError.self) {
        var writer = FileWriter(descriptor: descriptor, source: "model.safetensors")
        try writer.write("text")
        try writer.flush()
      }
      #expect(error?.kind == .inputOutput)
      #expect(
        error?.description
          == "model.safetensors: found No space left on device, expected to write 4 more bytes")
    }
  #endif

  @Test func namesAClosedDescriptor() {
    let error = #expect(throws: InputError.self) {
      var writer = FileWriter(descriptor: -1, source: "nowhere", bufferSize: 1)
      try writer.write([1])
    }
    #expect(error?.found == "Bad file descriptor")
  }
}

/// Reads so many bytes of a descriptor on another thread; the result waits for them.
private func startReading(_ descriptor: Int32, count: Int) -> () -> [UInt8] {
  let done = DispatchSemaphore(value: 0)
  nonisolated(unsafe) var bytes: [UInt8] = []
  Thread.detachNewThread {
    var piece = [UInt8](repeating: 0, count: 10_000)
    while bytes.count < count {
      let size = read(descriptor, &piece, piece.count)
      if size <= 0 { break }
      bytes += piece.prefix(size)
    }
    done.signal()
  }
  return {
    done.wait()
    return bytes
  }
}
