// What this module takes from the C library and the operating system; the only file that imports
// them.
import CBitKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The C library's functions. Their last bits may differ between platforms, so nothing that
/// promises equal bits everywhere (quantization, products, RMSNorm) uses them.
package enum SystemMath {
  package static func exp(_ x: Float) -> Float { expf(x) }
  package static func tanh(_ x: Float) -> Float { tanhf(x) }
  package static func erf(_ x: Float) -> Float { erff(x) }
  package static func log(_ x: Float) -> Float { logf(x) }
  package static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
  package static func log(_ x: Double) -> Double { doubleLog(x) }
}

/// Out here, because inside `log` is the type's own.
private func doubleLog(_ x: Double) -> Double { log(x) }

/// A number from the standard normal distribution, made of two from [0, 1) (Box and Muller).
func boxMuller(_ u: Double, _ v: Double) -> Double {
  (-2 * log(1 - u)).squareRoot() * cos(2 * .pi * v)
}

package enum SystemMemory {
  /// The smallest size, in bytes, for which large pages pay off.
  package static let largeBytes = 4 << 20

  /// Asks for large pages behind memory that is not used yet; only a hint.
  package static func adviseLarge(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
    bk_advise_large(memory, bytes)
  }

  /// Keeps freed memory in this process; for programs that train, whose every step frees and takes the
  /// same blocks.
  package static func keepFreed() { bk_keep_freed_memory() }
}

package enum SystemFiles {
  /// Lets the system start copying what was written to a file to its device; only a hint.
  package static func startWriteback(_ descriptor: Int32) { bk_start_writeback(descriptor) }
}

enum SystemEnvironment {
  /// The value of an environment variable; nil if it is unset or empty.
  static func value(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }
}

enum SystemThread {
  /// Runs `body` on a new thread, which nobody waits for.
  static func start(_ body: @escaping @Sendable () -> Void) {
    final class Body: Sendable {
      let run: @Sendable () -> Void
      init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    // The argument is optional on some platforms only.
    let failure = pthread_create(
      &thread, nil,
      { argument in
        let argument: UnsafeMutableRawPointer? = argument
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(Body(body)).toOpaque())
    // Who asked for the thread would wait for it forever.
    precondition(failure == 0, "cannot start a thread: error \(failure)")
    let started: pthread_t? = thread
    if let started { pthread_detach(started) }
  }

  /// Lets other threads run.
  static func yield() { sched_yield() }

  /// Calls `body` in each process that is forked from this one from now on, in its only thread.
  static func afterForkInChild(_ body: @escaping @convention(c) () -> Void) {
    pthread_atfork(nil, nil, body)
  }
}

/// A lock whose holder can sleep until another thread wakes it.
final class SystemCondition: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func withLock<R>(_ body: () -> R) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// Gives the lock back while sleeping; to be called with the lock.
  func sleep() { pthread_cond_wait(condition, mutex) }

  /// Wakes all sleepers; to be called with the lock.
  func wakeAll() { pthread_cond_broadcast(condition) }
}
