#if os(Linux)
  import Foundation
  import Testing

  /// Ctrl-C while `bitlinear generate` writes.
  @Suite struct GenerateInterruptTests {
    /// What is in the pipe before the program writes, so that only few bytes of its text find room
    /// there, and it cannot come to its end before the signal, however fast it is.
    private static let filling = 4080

    @Test func textEndsWithWhatIsThere() async throws {
      let arguments = [
        "generate", Models.path("bitnet-64-long"), "-p", "Once", "-n", "400", "--temp", "1.5",
        "--seed", "1", "--ignore-eos",
      ]
      let whole = try await Program.run(arguments)
      #expect(whole.code == 0 && whole.output.utf8.count > 200)

      let folder = try TemporaryFolder()
      let process = try Program.process([Program.path()] + arguments, [:])
      let pipe = Pipe()
      // F_SETPIPE_SZ: one page, the least that a pipe can hold.
      try #require(fcntl(pipe.fileHandleForWriting.fileDescriptor, 1031, 4096) == 4096)
      try pipe.fileHandleForWriting.write(contentsOf: Data(count: Self.filling))
      process.standardOutput = pipe
      process.standardError = try folder.handle("error")
      let reading = pipe.fileHandleForReading
      let output = folder.path("output")
      try await Program.runToEnd(process) { identifier in
        // FIONREAD: how much is in the pipe.
        var count: Int32 = 0
        while ioctl(reading.fileDescriptor, 0x541b, &count) == 0, count <= Self.filling {
          usleep(1000)
        }
        kill(identifier, SIGINT)
        // The signal is caught until it has come, and no longer then.
        while Self.catchesInterrupt(identifier) { usleep(1000) }
        let text = (try? reading.readToEnd()) ?? Data()
        try? text.dropFirst(Self.filling).write(to: URL(fileURLWithPath: output))
      }
      #expect(process.terminationReason == .exit && process.terminationStatus == 130)
      let text = try folder.text("output")
      #expect(text.hasSuffix("\n") && text.utf8.count < whole.output.utf8.count)
      // Where the text ends inside a character, its bytes so far became U+FFFD.
      var shown = String(text.dropLast())
      if !whole.output.utf8.starts(with: shown.utf8), shown.unicodeScalars.last == "\u{FFFD}" {
        shown.unicodeScalars.removeLast()
        let next = whole.output.utf8.dropFirst(shown.utf8.count).first ?? 0
        #expect(next >= 0xc2, "a character of several bytes")
      }
      #expect(whole.output.utf8.starts(with: shown.utf8))
      #expect(try folder.text("error").contains("\nFinished: cancelled, seed 1\n"))
    }

    /// What the system says of a process's signals.
    private static func catchesInterrupt(_ identifier: Int32) -> Bool {
      let status =
        (try? String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8)) ?? ""
      guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigCgt:") }),
        let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
      else { return false }
      return mask & 1 << (SIGINT - 1) != 0
    }
  }
#endif
