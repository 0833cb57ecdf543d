import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension ProcessGroup {
  /// Runs a program, or the part of it that processes do together, in the group that was
  /// ``started()``.
  ///
  /// When `body` returns, the processes wait for each other and MPI is closed: it can be used once.
  /// An error that `body` throws ends all processes, because the others would wait for this one
  /// forever; see ``end(with:)``. In a process that is alone the error is thrown on.
  public static func run<R>(_ body: (ProcessGroup) throws -> R) throws -> R {
    let group = try started()
    do {
      let result = try body(group)
      try group.finish()
      return result
    } catch {
      if group.transport == nil { throw error }
      group.end(with: error)
    }
  }

  /// Waits for the others and closes the connection.
  func finish() throws(InputError) {
    try barrier()
    try transport?.finish()
  }

  /// Ends all processes because of an error: writes it to standard error, with the process and its
  /// machine, and makes the launcher end the others. The exit code is 1.
  public func end(with error: any Error) -> Never {
    // Often all have the same error: then the first one ends the others before they repeat it.
    if !isFirst { usleep(500_000) }
    let place = transport.map { _ in "\(self): " } ?? ""
    Terminal.standardError.write("Error: \(place)\(error)\n")
    transport?.abort()
    exit(1)
  }
}
