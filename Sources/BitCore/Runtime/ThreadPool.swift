import CBitKernels
import Synchronization

/// Threads that are made once and share the rows of one operation after another.
///
/// Work is split into equal parts by index, and part i is always run with the same range, whichever
/// thread runs it. A thread that waits for work spins for a moment and then sleeps. When the pool
/// is busy with another caller's work, or a part itself asks for threads, the caller runs all parts
/// alone. A process that is forked has none of the threads, so the pool makes new ones at its first
/// use there.
///
/// Why not Dispatch: a small product takes some 40 us, and threads that sleep wake too late to help
/// with it. On a machine with two processors, two parts of 20 us each take 21 us here, and 40 to 46
/// us with `DispatchQueue.concurrentPerform`. Dispatch also decides by itself how many threads it
/// uses, while here their number is known, and with it how rows are split into parts. That keeps
/// the bits of a BLAS, whose rounding depends on the extents that it is given.
public final class ThreadPool: Sendable {
  /// The pool that all operations use, with as many threads as the environment variable
  /// `BITLINEAR_THREADS` says; if that is unset or empty, one for each processor it may use.
  public static let shared = ThreadPool(threads: requestedThreads ?? processors)

  /// The number of threads, the caller's included; at least 1.
  public let threads: Int

  /// The maximum number of threads of an operation, 1...``threads``; ``threads`` until it is set.
  /// Results do not depend on it.
  public var limit: Int {
    get { threadLimit.load(ordering: .relaxed) }
    set { threadLimit.store(min(max(1, newValue), threads), ordering: .relaxed) }
  }

  private let threadLimit: Atomic<Int>
  private let state: State
  /// 0, or 1 + the number of forks of the process that somebody uses the pool in: who used it in
  /// another process does not count.
  private let user = Atomic<Int>(0)
  /// The number of forks of the process that has the workers.
  private let workersHome = Atomic<Int>(0)

  /// A pool of `threads` threads, the caller's included.
  package init(threads: Int) {
    self.threads = min(max(1, threads), Self.maximumThreads)
    threadLimit = Atomic(self.threads)
    state = State()
    workersHome.store(Forks.count, ordering: .relaxed)
    startWorkers()
  }

  private func startWorkers() {
    for worker in 1..<threads {
      SystemThread.start { [state] in state.work(as: worker) }
    }
  }

  deinit { state.stop() }

  /// Calls `body` with disjoint ranges that together are `0..<count`, on up to ``limit`` threads,
  /// and returns when all calls are done. Each range has at least `grain` indices, unless it is the
  /// only one.
  package func parallelFor(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    let parts = min(limit, count / max(1, grain))
    guard parts > 1 else { return count > 0 ? body(0..<count) : () }
    // Not a lock: not every platform has one that its own holder may try to take again.
    let forks = Forks.count
    let isIdle = claim(forks)
    let part = { (index: Int) in count * index / parts..<count * (index + 1) / parts }
    guard isIdle else {
      // The same parts: how a BLAS rounds may depend on the extents that it is given.
      for index in 0..<parts { body(part(index)) }
      return
    }
    if workersHome.load(ordering: .relaxed) != forks {
      workersHome.store(forks, ordering: .relaxed)
      state.reset()
      startWorkers()
    }
    // No thread keeps the closure beyond this call: `run` waits for all of them.
    withoutActuallyEscaping(body) { body in
      state.run(parts: parts) { index in body(part(index)) }
    }
    user.store(0, ordering: .releasing)
  }

  /// Makes the caller the one that uses the pool, unless somebody of this process does.
  private func claim(_ forks: Int) -> Bool {
    let current = user.load(ordering: .relaxed)
    guard current != forks + 1 else { return false }
    return user.compareExchange(
      expected: current, desired: forks + 1, successOrdering: .acquiring,
      failureOrdering: .relaxed
    ).exchanged
  }

  /// The maximum number of threads of a pool.
  static let maximumThreads = 1024

  /// The number of threads that a text stands for; nil if it is not one.
  static func threadCount(_ text: String) -> Int? {
    Int(text).flatMap { (1...maximumThreads).contains($0) ? $0 : nil }
  }

  private static var requestedThreads: Int? {
    SystemEnvironment.value("BITLINEAR_THREADS").flatMap(threadCount)
  }

  /// Whether the user said how many threads ``shared`` has.
  package static var isCountRequested: Bool { requestedThreads != nil }

  /// The number of processors that this process may use.
  package static var processors: Int { Int(bk_processor_count()) }
}

/// How many forks lie between this process and the one that was started.
private enum Forks {
  private static let counter = Atomic<Int>(0)
  private static let isWatching: Void = {
    // In the child there is one thread, and this only counts.
    SystemThread.afterForkInChild { Forks.counter.add(1, ordering: .relaxed) }
  }()

  static var count: Int {
    _ = isWatching
    return counter.load(ordering: .relaxed)
  }
}

/// The state that the caller and the workers share.
///
/// `ticket` is the number of the job, in its high bits, and the number of its parts. The caller
/// writes `job` before it raises the ticket; the workers that have a part read it after they saw the
/// new ticket; and the caller writes it again only after all of those are done. Other workers look
/// at nothing but the ticket, so nobody waits for them.
private final class State: @unchecked Sendable {
  /// How many times the waiting loop turns before a thread sleeps: tens of microseconds.
  private static let patience = 4_000
  private static let partsBits = 16

  private var job: (Int) -> Void = { _ in }
  private let ticket = Atomic<Int>(0)
  private let pending = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopped = Atomic<Bool>(false)
  private var condition = SystemCondition()

  /// Forgets workers that do not exist: those of the process that this one was forked from.
  func reset() {
    // Kept for ever: destroying it would wait for those who sleep there, in the other process.
    _ = Unmanaged.passRetained(condition)
    condition = SystemCondition()
    pending.store(0, ordering: .relaxed)
    sleepers.store(0, ordering: .relaxed)
    ticket.store(0, ordering: .sequentiallyConsistent)
  }

  func run(parts: Int, _ body: @escaping (Int) -> Void) {
    job = body
    pending.store(parts - 1, ordering: .relaxed)
    announce(parts: parts)
    body(0)
    var turns = 0
    while pending.load(ordering: .acquiring) > 0 {
      turns += 1
      if turns < Self.patience { bk_pause() } else { SystemThread.yield() }
    }
    job = { _ in }
  }

  func stop() {
    stopped.store(true, ordering: .relaxed)
    announce(parts: 0)
  }

  private func announce(parts: Int) {
    let number = ticket.load(ordering: .relaxed) >> Self.partsBits &+ 1
    // Here the ticket is raised before sleepers are counted; there a sleeper is counted before the
    // ticket is read. Both orders are strict, so one side always sees the other.
    ticket.store(number << Self.partsBits | parts, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      condition.withLock { condition.wakeAll() }
    }
  }

  func work(as index: Int) {
    var seen = 0
    while true {
      seen = nextTicket(after: seen)
      if stopped.load(ordering: .relaxed) { return }
      guard index < seen & (1 << Self.partsBits - 1) else { continue }
      job(index)
      pending.subtract(1, ordering: .releasing)
    }
  }

  private func nextTicket(after seen: Int) -> Int {
    for _ in 0..<Self.patience {
      let current = ticket.load(ordering: .acquiring)
      if current != seen { return current }
      bk_pause()
    }
    return condition.withLock {
      sleepers.add(1, ordering: .sequentiallyConsistent)
      defer { sleepers.subtract(1, ordering: .sequentiallyConsistent) }
      while true {
        let current = ticket.load(ordering: .sequentiallyConsistent)
        if current != seen { return current }
        condition.sleep()
      }
    }
  }
}
