import BitCore

/// How the processes of a group pass bytes to each other; ``ProcessGroup`` makes everything else of
/// this one way.
///
/// Calls come from one thread at a time. A process calls with its partner as often, in the same
/// order and with the same sizes as the partner with it.
protocol ProcessTransport: Sendable {
  /// The number of this process, from 0.
  var rank: Int { get }
  /// The number of processes.
  var count: Int { get }
  /// The name of the machine that this process runs on.
  var host: String { get }

  /// Sends `outgoing` to one process while `incoming` is filled from another one; nil for none.
  /// Returns when `outgoing` may be changed and `incoming` is complete.
  func exchange(
    _ outgoing: UnsafeRawBufferPointer, to receiver: Int?,
    _ incoming: UnsafeMutableRawBufferPointer, from sender: Int?
  ) throws(InputError)

  /// Ends the connection, after which no call may follow.
  func finish() throws(InputError)

  /// Ends all processes of the group.
  func abort() -> Never
}
