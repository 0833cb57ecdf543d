#if MPI && os(Linux)
  import BitCore
  internal import COpenMPI

  #if canImport(Glibc)
    import Glibc
  #elseif canImport(Musl)
    import Musl
  #endif

  /// The processes that an MPI launcher, such as mpirun, started together.
  struct MPITransport: ProcessTransport {
    let rank: Int
    let count: Int
    let host: String

    /// That of this process, which can be started only once.
    static let shared = Result { () throws(InputError) in try MPITransport() }

    private init() throws(InputError) {
      var (serialized, rank, count): (Int32, Int32, Int32) = (0, 0, 0)
      try Self.check(openmpi_start(&serialized), "MPI")
      guard serialized != 0 else {
        throw InputError(
          .unsupported, source: "MPI", found: "a library for programs of a single thread",
          expected: "one of level MPI_THREAD_SERIALIZED")
      }
      try Self.check(openmpi_rank(&rank), "MPI")
      try Self.check(openmpi_size(&count), "MPI")
      (self.rank, self.count) = (Int(rank), Int(count))
      host = Self.text { openmpi_host($0) }
    }

    func exchange(
      _ outgoing: UnsafeRawBufferPointer, to receiver: Int?,
      _ incoming: UnsafeMutableRawBufferPointer, from sender: Int?
    ) throws(InputError) {
      // MPI counts in Int32; both sides cut in the same places.
      let most = 1 << 30
      var start = 0
      repeat {
        let (sends, receives) = (
          receiver != nil && (start == 0 || start < outgoing.count),
          sender != nil && (start == 0 || start < incoming.count)
        )
        let sent = sends ? min(most, outgoing.count - start) : 0
        let wanted = receives ? min(most, incoming.count - start) : 0
        var received: Int32 = 0
        let code = openmpi_exchange(
          sends ? outgoing.baseAddress.map { $0 + start } : nil, Int32(sent),
          Int32(sends ? receiver ?? -1 : -1),
          receives ? incoming.baseAddress.map { $0 + start } : nil, Int32(wanted),
          Int32(receives ? sender ?? -1 : -1), &received)
        try Self.check(code, "MPI, process \(rank) of \(count) on \(host)")
        guard !receives || Int(received) == wanted else {
          throw InputError(
            .mismatch, source: "MPI, process \(rank) of \(count) on \(host)",
            found: "\(received) bytes from process \(sender ?? 0)", expected: "\(wanted)")
        }
        start += most
      } while receiver != nil && start < outgoing.count || sender != nil && start < incoming.count
    }

    func finish() throws(InputError) {
      try Self.check(MPI_Finalize(), "MPI, process \(rank) of \(count) on \(host)")
    }

    func abort() -> Never {
      _ = openmpi_abort(1)
      exit(1)
    }

    private static func check(_ code: Int32, _ source: String) throws(InputError) {
      guard openmpi_is_success(code) == 0 else { return }
      let text = text { openmpi_error_text(code, $0) }
      throw InputError(
        .inputOutput, source: source, found: text.isEmpty ? "error \(code)" : text,
        expected: "a connection to all processes")
    }

    private static func text(_ body: (UnsafeMutablePointer<CChar>) -> Void) -> String {
      let bytes = [CChar](
        unsafeUninitializedCapacity: Int(openmpi_text_bytes)
      ) { buffer, count in
        if let first = buffer.baseAddress { body(first) }
        count = buffer.firstIndex(of: 0) ?? 0
      }
      return String(decoding: bytes.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
  }
#endif
