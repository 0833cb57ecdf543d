import BitCore
import CBitLinear

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_version() -> UnsafePointer<CChar>? {
  packageVersion.utf8Start.withMemoryRebound(
    to: CChar.self, capacity: packageVersion.utf8CodeUnitCount + 1
  ) { $0 }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_threads() -> Int32 { Int32(ThreadPool.shared.limit) }

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_set_threads(_ threads: Int32) -> Int32 {
  status { () throws(Failure) in
    guard threads >= 1 else { throw .argument("threads", threads, "1 or more") }
    ThreadPool.shared.limit = Int(threads)
  }
}
