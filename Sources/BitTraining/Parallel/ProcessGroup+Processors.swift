import BitCore

extension ProcessGroup {
  /// Limits the threads of this process to its share of the processors of its machine, unless the
  /// user said how many threads to use.
  ///
  /// mpirun binds each of one or two processes to a processor of its own, and more to a socket or
  /// to nothing at all; then they would all have a thread for every processor.
  func shareProcessors() throws(InputError) {
    let own = ProcessorSet.own
    let hosts = try gather(transport?.host ?? "")
    let sets = try gather(own.bits).map { ProcessorSet(bits: $0) }
    let local = zip(hosts, sets).filter { $0.0 == hosts[rank] }.map(\.1)
    if ThreadPool.isCountRequested { return }
    let together = local.reduce(into: own) { $0.formUnion($1) }
    ThreadPool.shared.limit = Self.threads(
      own: own.count, all: local.map(\.count), together: together.count)
  }

  /// The number of threads of a process that may use `own` processors, where the processes of the
  /// machine may use those numbers of `all`, and `together` different ones.
  static func threads(own: Int, all: [Int], together: Int) -> Int {
    max(1, own * together / max(together, all.reduce(0, +)))
  }
}
