import BitCore
import Foundation
import Testing

@Suite struct ThreadPoolTests {
  @Test(arguments: [1, 2, 3, 8], [1, 3, 64])
  func `every index once, in parts of the grain`(threads: Int, grain: Int) {
    let pool = ThreadPool(threads: threads)
    #expect(pool.threads == threads)
    for count in [0, 1, 2, 3, 7, 8, 9, 63, 100, 1000] {
      let visits = Counters(count)
      let sizes = Counters(count)
      pool.parallelFor(count, grain: grain) { range in
        // If ranges overlapped, the thread sanitizer would report a race.
        for i in range { visits.add(i) }
        for _ in range { sizes.add(range.lowerBound) }
      }
      #expect(visits.values.allSatisfy { $0 == 1 })
      let parts = sizes.values.filter { $0 > 0 }
      #expect(parts.count <= threads)
      #expect(parts.count == min(threads, max(count / grain, min(count, 1))))
      // Only a single part may be smaller than the grain.
      #expect(parts.allSatisfy { $0 >= grain || parts.count == 1 })
    }
  }

  @Test func `no more threads than the limit`() {
    let pool = ThreadPool(threads: 4)
    #expect(pool.limit == 4)
    for (limit, used) in [(1, 1), (3, 3), (0, 1), (9, 4), (-1, 1), (2, 2)] {
      pool.limit = limit
      #expect(pool.limit == used)
      let sizes = Counters(100)
      pool.parallelFor(100) { range in
        for _ in range { sizes.add(range.lowerBound) }
      }
      #expect(sizes.values.filter { $0 > 0 }.count == used)
    }
  }

  @Test func `at least one thread`() {
    #expect(ThreadPool(threads: 0).threads == 1)
    #expect(ThreadPool(threads: -3).threads == 1)
    #expect(ThreadPool.processors >= 1)
    #expect(ThreadPool.shared.threads >= 1)
  }

  @Test(arguments: [1, 2, 3, 8])
  func `a part that asks for threads itself is served`(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let visits = Counters(20 * 30)
    pool.parallelFor(20) { outer in
      for i in outer {
        pool.parallelFor(30) { inner in
          for j in inner { visits.add(i * 30 + j) }
        }
      }
    }
    #expect(visits.values.allSatisfy { $0 == 1 })
  }

  @Test(arguments: [1, 2, 3, 8])
  func `several callers at once are served`(threads: Int) {
    let pool = ThreadPool(threads: threads)
    let visits = Counters(8 * 200 * 50)
    DispatchQueue.concurrentPerform(iterations: 8) { caller in
      for round in 0..<200 {
        pool.parallelFor(50) { range in
          for i in range { visits.add((caller * 200 + round) * 50 + i) }
        }
      }
    }
    #expect(visits.values.allSatisfy { $0 == 1 })
  }

  @Test func `what the parts wrote is there when the call returns`() {
    let pool = ThreadPool(threads: 3)
    var values = [Int](repeating: 0, count: 300)
    for round in 1...2_000 {
      values.withUnsafeMutableBufferPointer { values in
        nonisolated(unsafe) let values = values
        pool.parallelFor(300) { range in
          for i in range { values[i] += round }
        }
      }
    }
    #expect(values.allSatisfy { $0 == 2_000 * 2_001 / 2 })
  }

  @Test func `pools that sleep wake up, and pools come and go`() {
    for round in 0..<30 {
      let pool = ThreadPool(threads: 1 + round % 4)
      for _ in 0..<3 {
        let visits = Counters(64)
        pool.parallelFor(64) { range in for i in range { visits.add(i) } }
        #expect(visits.values.allSatisfy { $0 == 1 })
        // Long enough for the workers to fall asleep.
        if round % 5 == 0 { Thread.sleep(forTimeInterval: 0.002) }
      }
    }
  }
}

/// Counters without synchronization, each for one thread.
private final class Counters: @unchecked Sendable {
  private let start: UnsafeMutablePointer<Int32>
  private let count: Int

  init(_ count: Int) {
    self.count = count
    start = .allocate(capacity: count)
    start.initialize(repeating: 0, count: count)
  }

  deinit { start.deallocate() }

  func add(_ index: Int) { start[index] += 1 }
  var values: [Int32] { Array(UnsafeBufferPointer(start: start, count: count)) }
}
