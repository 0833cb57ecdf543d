import BitCore
import Synchronization

/// What `body` returns with one thread and with all threads, of which there should be at least two.
func withThreadLimits<R>(_ body: () throws -> R) rethrows -> (one: R, all: R) {
  // The limit is of the process: no other test that looks at it may run now.
  try limitUse.withLock { _ in
    defer { ThreadPool.shared.limit = ThreadPool.shared.threads }
    ThreadPool.shared.limit = 1
    let one = try body()
    ThreadPool.shared.limit = ThreadPool.shared.threads
    return (one, try body())
  }
}

private let limitUse = Mutex(())
