import CBitKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Threads that are made once and share out the rows of one operation at a time.
///
/// Work is split into equal parts by position, so a part does not depend on which thread runs it.
/// A thread that waits for work spins for a moment and then sleeps. When the pool is busy with
/// another caller's work, or a part itself asks for threads, the caller does all parts alone.
public final class ThreadPool: Sendable {
  /// The pool that all operations use: as many threads as the environment variable
  /// `BITLINEAR_THREADS` says, or as the process may use processors.
  public static let shared = ThreadPool(threads: requestedThreads ?? processors)

  /// The number of threads, the caller's included; at least 1.
  public let threads: Int

  /// The most threads that an operation may use from now on, 1...``threads``; all of them unless
  /// set. Results do not depend on it.
  public var limit: Int {
    get { threadLimit.load(ordering: .relaxed) }
    set { threadLimit.store(min(max(1, newValue), threads), ordering: .relaxed) }
  }

  private let threadLimit: Atomic<Int>
  private let state: State
  private let isBusy = Atomic<Bool>(false)

  /// A pool of `threads` threads, the caller's included.
  public init(threads: Int) {
    self.threads = min(max(1, threads), Self.maximumThreads)
    threadLimit = Atomic(self.threads)
    state = State()
    for worker in 1..<self.threads { Self.startWorker(worker, state) }
  }

  deinit { state.stop() }

  /// Calls `body` with disjoint ranges that cover `0..<count`, each of at least `grain` indices
  /// (but for the last), on up to ``threads`` threads, and returns when all are done.
  public func parallelFor(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    let parts = min(limit, count / max(1, grain))
    guard parts > 1 else { return count > 0 ? body(0..<count) : () }
    // A lock would do if it could be tried again by the thread that holds it on every platform.
    let isIdle = isBusy.compareExchange(
      expected: false, desired: true, successOrdering: .acquiring, failureOrdering: .relaxed
    ).exchanged
    let part = { (index: Int) in count * index / parts..<count * (index + 1) / parts }
    guard isIdle else {
      // The same parts: how a BLAS rounds may depend on the extents that it is given.
      for index in 0..<parts { body(part(index)) }
      return
    }
    // The closure outlives this call in no thread: `run` waits for all of them.
    withoutActuallyEscaping(body) { body in
      state.run(parts: parts) { index in body(part(index)) }
    }
    isBusy.store(false, ordering: .releasing)
  }

  static let maximumThreads = 1024

  static func threadCount(_ text: String) -> Int? {
    Int(text).flatMap { (1...maximumThreads).contains($0) ? $0 : nil }
  }

  private static var requestedThreads: Int? {
    SystemEnvironment.value("BITLINEAR_THREADS").flatMap(threadCount)
  }

  /// The processors that this process may use.
  public static var processors: Int { Int(bk_processor_count()) }

  private static func startWorker(_ index: Int, _ state: State) {
    let argument = Unmanaged.passRetained(Worker(index: index, state: state)).toOpaque()
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    let failure = pthread_create(&thread, nil, workerMain, argument)
    // Without its thread the pool would wait for ever.
    precondition(failure == 0, "cannot start a thread: error \(failure)")
    #if canImport(Darwin)
      if let thread { pthread_detach(thread) }
    #else
      pthread_detach(thread)
    #endif
  }
}

private final class Worker {
  let index: Int
  let state: State
  init(index: Int, state: State) {
    self.index = index
    self.state = state
  }
}

#if canImport(Darwin)
  private func workerMain(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let worker = Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue()
    worker.state.work(as: worker.index)
    return nil
  }
#else
  private func workerMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let worker = Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue()
    worker.state.work(as: worker.index)
    return nil
  }
#endif

/// What the caller and the workers share.
///
/// `ticket` is the number of the job, in its high bits, and the number of its parts. `job` is
/// written by the caller before it raises the ticket and read, after they saw that, by the workers
/// that have a part; the caller writes again only after all of those are done. Other workers only
/// look at the ticket, so nobody waits for them.
private final class State: @unchecked Sendable {
  /// Turns of the waiting loop before a thread sleeps: some tens of microseconds.
  private static let patience = 4_000
  private static let partsBits = 16

  private var job: (Int) -> Void = { _ in }
  private let ticket = Atomic<Int>(0)
  private let pending = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopped = Atomic<Bool>(false)
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>

  init() {
    mutex = .allocate(capacity: 1)
    wake = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
  }

  deinit {
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    wake.deallocate()
    mutex.deallocate()
  }

  func run(parts: Int, _ body: @escaping (Int) -> Void) {
    job = body
    pending.store(parts - 1, ordering: .relaxed)
    announce(parts: parts)
    body(0)
    var turns = 0
    while pending.load(ordering: .acquiring) > 0 {
      turns += 1
      if turns < Self.patience { bk_pause() } else { sched_yield() }
    }
    job = { _ in }
  }

  func stop() {
    stopped.store(true, ordering: .relaxed)
    announce(parts: 0)
  }

  private func announce(parts: Int) {
    let number = ticket.load(ordering: .relaxed) >> Self.partsBits &+ 1
    // Both sides order "raise, then look for sleepers" and "lie down, then look for work" strictly,
    // so one of them always sees the other.
    ticket.store(number << Self.partsBits | parts, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(wake)
      pthread_mutex_unlock(mutex)
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
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    sleepers.add(1, ordering: .sequentiallyConsistent)
    defer { sleepers.subtract(1, ordering: .sequentiallyConsistent) }
    while true {
      let current = ticket.load(ordering: .sequentiallyConsistent)
      if current != seen { return current }
      pthread_cond_wait(wake, mutex)
    }
  }
}
