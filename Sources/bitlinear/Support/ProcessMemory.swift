/// The memory of this process.
enum ProcessMemory {
  /// The most that was ever resident, in MiB.
  static var peakMiB: Double {
    var usage = rusage()
    #if canImport(Glibc)
      let process = RUSAGE_SELF.rawValue
    #else
      let process = RUSAGE_SELF
    #endif
    guard getrusage(.init(process), &usage) == 0 else { return 0 }
    #if canImport(Darwin)
      let bytes = Double(usage.ru_maxrss)
    #else
      let bytes = Double(usage.ru_maxrss) * 1024
    #endif
    return bytes / Double(1 << 20)
  }
}
