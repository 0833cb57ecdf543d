import Foundation
import Testing

@testable import BitCore

/// Environment variables are read once per process, so each test has a process of its own.
@Suite struct EnvironmentTests {
  @Test func `empty variables are as good as unset`() async {
    await #expect(processExitsWith: .success) {
      setenv("BITLINEAR_CPU", "", 1)
      setenv("BITLINEAR_THREADS", "", 1)
      try CPU.checkEnvironment()
      #expect(CPU.kernelName == CPU.usableKernelNames.first)
      #expect(ThreadPool.shared.threads == ThreadPool.processors)
    }
  }

  @Test(arguments: ["nonsense", " ", "SCALAR"])
  func `unknown kernels are refused`(name: String) async {
    await #expect(processExitsWith: .success) { [name] in
      setenv("BITLINEAR_CPU", name, 1)
      let error = #expect(throws: InputError.self) { try CPU.checkEnvironment() }
      #expect(error?.source == "BITLINEAR_CPU")
      #expect(error?.found == "\"\(name)\"")
    }
  }

  @Test(arguments: ["0", "1025", "two", " "])
  func `bad numbers of threads are refused`(count: String) async {
    await #expect(processExitsWith: .success) { [count] in
      setenv("BITLINEAR_THREADS", count, 1)
      let error = #expect(throws: InputError.self) { try CPU.checkEnvironment() }
      #expect(error?.source == "BITLINEAR_THREADS")
      // Operations cannot throw, and use the default.
      #expect(ThreadPool.shared.threads == ThreadPool.processors)
    }
  }

  @Test func `good variables are followed`() async {
    await #expect(processExitsWith: .success) {
      setenv("BITLINEAR_CPU", "scalar", 1)
      setenv("BITLINEAR_THREADS", "3", 1)
      try CPU.checkEnvironment()
      #expect(CPU.kernelName == "scalar")
      #expect(ThreadPool.shared.threads == 3)
    }
  }
}
