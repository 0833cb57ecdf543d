import BitCore
@testable import BitTraining
import TestSupport
import Testing

struct ProcessGroupTests {
  @Test(arguments: 1...6)
  func messages(count: Int) throws {
    for root in 0..<count {
      let all = try inProcesses(count) { group in
        try group.broadcast("process \(group.rank)", from: root)
      }
      #expect(all == Array(repeating: "process \(root)", count: count))
      let tensors = try inProcesses(count) { group in
        var tensor = Tensor(repeating: Float(group.rank), shape: [2, 3])
        try group.broadcast(&tensor, from: root)
        return tensor
      }
      #expect(tensors.allSatisfy { $0 == Tensor(repeating: Float(root), shape: [2, 3]) })
    }
    let gathered = try inProcesses(count) { group in
      // Of different lengths, the first of none.
      try group.gather([UInt8](repeating: UInt8(group.rank), count: group.rank))
    }
    let expected = (0..<count).map { [UInt8](repeating: UInt8($0), count: $0) }
    #expect(gathered.allSatisfy { $0 == expected })
  }

  @Test(arguments: 1...6)
  func allAgreeIfOneSaysSo(count: Int) throws {
    #expect(try inProcesses(count) { try $0.agree(false) }.allSatisfy { !$0 })
    for one in 0..<count {
      #expect(try inProcesses(count) { try $0.agree($0.rank == one) }.allSatisfy { $0 })
    }
  }

  @Test(arguments: 2...5)
  func barrierWaitsForAll(count: Int) throws {
    let arrivals = Mailbox()
    // Who leaves the barrier finds the messages that all others sent before they came to it.
    let seen = try inProcesses(count) { group in
      arrivals.send([1], from: group.rank, to: 0)
      try group.barrier()
      return arrivals.has(from: Array(0..<count), to: 0)
    }
    #expect(seen.allSatisfy { $0 })
  }

  @Test func featuresAreGathered() throws {
    let whole = random([2, 3, 12])
    for count in [1, 2, 3, 4] {
      let results = try inProcesses(count) { group in
        let own = group.ownFeatures(whole)
        return (own.shape, try group.gatherFeatures(own))
      }
      #expect(results.allSatisfy { $0.0 == [2, 3, 12 / count] && sameBits($0.1, whole) })
    }
  }

  @Test func differencesAreErrorsInAllProcesses() throws {
    let errors = try inProcesses(3) { group in
      #expect(throws: InputError.self) { try group.requireEqual("\(group.rank / 2)", "a thing") }
    }
    #expect(
      errors.allSatisfy {
        $0?.description == "a thing: found 1 in process 2 of 3, expected 0, as in process 0"
      })
    let shapes = try inProcesses(2) { group in
      #expect(throws: InputError.self) {
        var tensors = [Tensor.zeros([2]), .zeros([3 + group.rank])]
        try group.sum(&tensors)
      }
    }
    #expect(shapes[0]?.description.contains("gradient 1: found the shape [4] in process 1") == true)
    #expect(shapes[1]?.description.contains("gradient 1: found the shape [3] in process 0") == true)
  }

  @Test func sumsNeedAPowerOfTwo() {
    expectError(.mismatch, "processes", "3", "a power of two") {
      _ = try inProcesses(3) { group in
        var numbers = [1.0]
        try group.sum(&numbers)
      }
    }
  }

  @Test func aloneNeedsNobody() throws {
    let group = ProcessGroup.alone
    #expect(group.rank == 0 && group.count == 1 && group.isFirst)
    try group.barrier()
    #expect(try group.broadcast("text") == "text" && group.gather("text") == ["text"])
    #expect(try ProcessGroup.run { $0.count } == 1)
    expectError(.missing, "source") {
      try ProcessGroup.run { _ in
        throw InputError(.missing, source: "source", found: "nothing", expected: "it")
      }
    }
  }

  @Test func theLauncherMustBeThatOfTheLibrary() throws {
    try ProcessGroup.checkLauncher({ _ in nil }, count: 1)
    try ProcessGroup.checkLauncher({ $0 == "PMI_SIZE" ? "2" : nil }, count: 2)
    expectError(.mismatch, "1 of the 2 processes") {
      try ProcessGroup.checkLauncher({ $0 == "PMI_SIZE" ? "2" : nil }, count: 1)
    }
  }

  #if !MPI
    @Test func withoutMPIThereIsNoGroup() {
      expectError(.unsupported, "swift build --traits MPI") { _ = try ProcessGroup.mpi() }
    }
  #endif

  @Test(
    arguments: [
      // Alone; bound to one each; not bound; bound to one of two sockets.
      (2, [2], 2, 2), (1, [1, 1], 2, 1), (8, [8, 8], 8, 4), (2, [2, 2, 2, 2], 2, 1),
      (8, [8, 8, 8, 8], 16, 4), (4, [4, 4, 4], 4, 1),
    ])
  func processorsAreShared(own: Int, all: [Int], together: Int, threads: Int) {
    #expect(ProcessGroup.threads(own: own, all: all, together: together) == threads)
  }

  @Test func processorsAreASet() {
    let own = ProcessorSet.own
    #expect(own.count == ThreadPool.processors)
    var none = ProcessorSet(bits: [UInt8](repeating: 0, count: ProcessorSet.byteCount))
    none.formUnion(own)
    #expect(none == own)
  }
}
