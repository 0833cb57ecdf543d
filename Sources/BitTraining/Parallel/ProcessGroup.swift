import BitCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Processes, on one machine or several, that train one model together.
///
/// Every process runs the same program, and each function of a group is called by all of its
/// processes, in the same order: a call returns when the others have made theirs. A group of one
/// process, ``alone``, needs nothing and works everywhere.
///
/// Several processes are started by an MPI launcher, such as `mpirun -n 2 bitlinear ...`, and pass
/// messages by Open MPI. That is a part of this package which is built only on request, on Linux:
/// `swift build --traits MPI`.
///
/// A group is used by one thread at a time.
public struct ProcessGroup: Sendable {
  let transport: (any ProcessTransport)?

  /// A group whose messages go by `transport`.
  init(_ transport: (any ProcessTransport)?) { self.transport = transport }

  /// This process, without others.
  public static let alone = ProcessGroup(nil)

  /// The number of this process, from 0.
  public var rank: Int { transport?.rank ?? 0 }

  /// The number of processes.
  public var count: Int { transport?.count ?? 1 }

  /// Whether this is the process that reads and writes files and shows progress.
  public var isFirst: Bool { rank == 0 }

  /// All processes that an MPI launcher started together with this one.
  ///
  /// The first call starts MPI, and divides the processors of a machine among the processes on it:
  /// it limits `ThreadPool.shared`, unless `BITLINEAR_THREADS` says how many threads to
  /// use.
  ///
  /// - Throws: `InputError` if this program was built without MPI, if MPI cannot be started, or if
  ///   it is not the MPI of the launcher.
  public static func mpi() throws(InputError) -> ProcessGroup {
    #if MPI && os(Linux)
      try mpiGroup.get()
    #else
      throw InputError(
        .unsupported, source: "MPI", found: "a program that was built without it",
        expected: "one built on Linux with: swift build --traits MPI")
    #endif
  }

  #if MPI && os(Linux)
    private static let mpiGroup = Result { () throws(InputError) in
      let group = try ProcessGroup(MPITransport.shared.get())
      try checkLauncher(environmentVariable, count: group.count)
      try group.shareProcessors()
      return group
    }
  #endif

  /// The processes that were started together with this one: ``mpi()`` if a launcher started it,
  /// and ``alone`` otherwise.
  ///
  /// - Throws: `InputError` as ``mpi()`` does. Without the error, processes of a program that was
  ///   built without MPI would each train a model of their own.
  public static func started() throws(InputError) -> ProcessGroup {
    launcherVariables.contains { environmentVariable($0) != nil } ? try mpi() : alone
  }

  /// What launchers tell the processes that they start: Open MPI's, those of PMIx (Slurm and
  /// others), and those of MPICH and its relatives.
  static let launcherVariables = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"]

  /// Checks that MPI sees as many processes as the launcher started: with a launcher of another MPI
  /// each process would be alone, without knowing of the others.
  static func checkLauncher(
    _ variable: (String) -> String?, count: Int
  ) throws(InputError) {
    for name in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"] {
      guard let text = variable(name), let started = Int(text), started != count else { continue }
      throw InputError(
        .mismatch, source: "MPI", found: "\(count) of the \(started) processes that were started",
        expected: "all of them; start them with the mpirun of Open MPI")
    }
  }

  private static func environmentVariable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}

extension ProcessGroup: CustomStringConvertible {
  /// "process 1 of 4 on node7", with numbers from 0, or "this process".
  public var description: String {
    transport.map { "process \($0.rank) of \($0.count) on \($0.host)" } ?? "this process"
  }
}
