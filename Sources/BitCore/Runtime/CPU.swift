import CBitKernels

/// The CPU and the kernels that this process uses on it, chosen once by the CPU's features.
///
/// The environment variable `BITLINEAR_CPU` forces a set of kernels by name, unless it is empty.
/// Every set gives the same bits.
package enum CPU {
  /// The name of the chosen set of kernels, such as `avx2` or `scalar`.
  package static var kernelName: String { String(cString: bk_active_kernels().pointee.name) }

  /// The names of all sets built for this architecture, best first.
  package static var kernelNames: [String] {
    var names: [String] = []
    var next = bk_kernel_names()
    while let name = next?.pointee {
      names.append(String(cString: name))
      next = next?.advanced(by: 1)
    }
    return names
  }

  /// The names of the sets that this CPU can run, best first.
  package static var usableKernelNames: [String] {
    kernelNames.filter { bk_kernels_named($0) != nil }
  }

  /// Checks the environment variables of this library, for programs: operations cannot throw, and
  /// ignore a bad value.
  ///
  /// - Throws: ``InputError`` if `BITLINEAR_CPU` is not the name of a set of kernels that this CPU
  ///   can run, or `BITLINEAR_THREADS` is not a valid number of threads. Empty variables are unset.
  package static func checkEnvironment() throws(InputError) {
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

  /// The maximum number of tokens that the chosen kernels multiply straight from packed codes; with
  /// more, unpacking the codes first is faster. Nil for any number.
  package static func packedTokens(_ format: PackedFormat) -> Int? {
    let few = bk_active_kernels().pointee.few_tokens
    let tokens =
      switch format {
      case .ternary2: few.0
      case .ternary1_6: few.1
      case .sign1: few.2
      }
    return tokens < Int(BK_ANY_TOKENS) ? tokens : nil
  }

  /// The CPU's features that matter here, separated by spaces.
  package static var features: String {
    (0...).lazy.map { bk_cpu_feature($0) }.prefix { $0 != nil }
      .compactMap { $0.map { String(cString: $0) } }.joined(separator: " ")
  }
}
