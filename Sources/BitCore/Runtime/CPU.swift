import CBitKernels

/// The kernels that this process uses, chosen once by the features of the CPU.
///
/// The environment variable `BITLINEAR_CPU` forces a set by name. Every set gives the same bits.
public enum CPU {
  /// The name of the chosen set of kernels, such as `avx2` or `scalar`.
  public static var kernelName: String { String(cString: bk_active_kernels().pointee.name) }

  /// The names of all sets built for this architecture, best first.
  public static var kernelNames: [String] {
    var names: [String] = []
    var next = bk_kernel_names()
    while let name = next?.pointee {
      names.append(String(cString: name))
      next = next?.advanced(by: 1)
    }
    return names
  }

  /// The names of the sets that this CPU can run, best first.
  public static var usableKernelNames: [String] {
    kernelNames.filter { bk_kernels_named($0) != nil }
  }

  /// Checks the environment variables of this library, which operations cannot complain about.
  ///
  /// - Throws: ``InputError`` if `BITLINEAR_CPU` names no set of kernels that this CPU can run, or
  ///   `BITLINEAR_THREADS` is no number of threads.
  public static func checkEnvironment() throws(InputError) {
    if let name = SystemEnvironment.value("BITLINEAR_CPU"), !usableKernelNames.contains(name) {
      throw InputError(
        .unsupported, source: "BITLINEAR_CPU", found: "\"\(name)\"",
        expected: usableKernelNames.joined(separator: " or "))
    }
    if let count = SystemEnvironment.value("BITLINEAR_THREADS"),
      ThreadPool.threadCount(count) == nil
    {
      throw InputError(
        .malformed, source: "BITLINEAR_THREADS", found: "\"\(count)\"",
        expected: "a number in 1...\(ThreadPool.maximumThreads)")
    }
  }

  /// Up to how many tokens the chosen kernels multiply straight from packed codes; beyond, unpacking
  /// them first is faster. Nil for any number.
  public static func packedTokens(_ format: PackedFormat) -> Int? {
    let few = bk_active_kernels().pointee.few_tokens
    let tokens =
      switch format {
      case .ternary2: few.0
      case .ternary1_6: few.1
      case .sign1: few.2
      }
    return tokens < Int(BK_ANY_TOKENS) ? tokens : nil
  }

  /// The CPU's features that matter here, blank separated.
  public static var features: String {
    (0...).lazy.map { bk_cpu_feature($0) }.prefix { $0 != nil }
      .compactMap { $0.map { String(cString: $0) } }.joined(separator: " ")
  }
}

/// One instruction set's kernels.
package struct Kernels: @unchecked Sendable {
  // A pointer to a constant table with static lifetime.
  let table: UnsafePointer<bk_kernels>

  package static var active: Kernels { Kernels(table: bk_active_kernels()) }

  /// Nil where this CPU cannot run the set.
  package init?(named name: String) {
    guard let table = bk_kernels_named(name) else { return nil }
    self.table = table
  }

  private init(table: UnsafePointer<bk_kernels>) { self.table = table }
}
