import BitCore
@testable import BitTraining
import Foundation
import Synchronization

/// What threads send to each other as if they were processes. An exchange waits until its message
/// has come.
final class Mailbox: @unchecked Sendable {
  private let condition = NSCondition()
  private var messages: [[Int]: [[UInt8]]] = [:]

  func send(_ bytes: [UInt8], from sender: Int, to receiver: Int) {
    condition.withLock {
      messages[[sender, receiver], default: []].append(bytes)
      condition.broadcast()
    }
  }

  /// Whether a message of each sender waits for the receiver.
  func has(from senders: [Int], to receiver: Int) -> Bool {
    condition.withLock { senders.allSatisfy { messages[[$0, receiver]]?.isEmpty == false } }
  }

  func receive(from sender: Int, to receiver: Int) -> [UInt8] {
    condition.withLock {
      while messages[[sender, receiver]]?.isEmpty ?? true { condition.wait() }
      return messages[[sender, receiver]]?.removeFirst() ?? []
    }
  }
}

/// A process of a group that is a thread of the test.
struct SimulatedProcess: ProcessTransport {
  let rank: Int
  let count: Int
  let mailbox: Mailbox
  var host: String { "host" }

  func exchange(
    _ outgoing: UnsafeRawBufferPointer, to receiver: Int?,
    _ incoming: UnsafeMutableRawBufferPointer, from sender: Int?
  ) throws(InputError) {
    if let receiver { mailbox.send(Array(outgoing), from: rank, to: receiver) }
    guard let sender else { return }
    let bytes = mailbox.receive(from: sender, to: rank)
    guard bytes.count == incoming.count else {
      throw InputError(
        .mismatch, source: "\(rank)", found: "\(bytes.count) bytes", expected: "\(incoming.count)")
    }
    incoming.copyBytes(from: bytes)
  }

  func finish() throws(InputError) {}

  func abort() -> Never { fatalError("process \(rank) aborts") }
}

/// The results of `body` in `count` processes, in the order of their ranks.
func inProcesses<R: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (ProcessGroup) throws -> R
) throws -> [R] {
  if count == 1 { return [try body(.alone)] }
  let mailbox = Mailbox()
  let results = ResultBox<R>()
  let isDone = DispatchSemaphore(value: 0)
  for rank in 0..<count {
    // Threads of their own, because they wait for each other.
    Thread {
      let group = ProcessGroup(SimulatedProcess(rank: rank, count: count, mailbox: mailbox))
      let result = Result { try body(group) }
      results.all.withLock { $0[rank] = result }
      isDone.signal()
    }.start()
  }
  for _ in 0..<count { isDone.wait() }
  return try results.all.withLock { all in try (0..<count).compactMap { try all[$0]?.get() } }
}

private final class ResultBox<R: Sendable>: Sendable {
  let all = Mutex<[Int: Result<R, any Error>]>([:])
}
