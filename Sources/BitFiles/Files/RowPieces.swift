import BitCore
import Synchronization

/// Goes through the rows of a tensor in pieces, which are made on all threads and used in order.
package enum RowPieces {
  /// More threads would need more memory than they save time: files are not read that fast.
  private static let maximumThreads = 8

  /// Makes pieces, and uses each when all before it were used.
  ///
  /// - Parameters:
  ///   - rows: how many there are.
  ///   - size: the rows of a piece; the last one may have fewer.
  ///   - make: what takes time; is called on several threads at once.
  ///   - use: is called on one thread at a time, while the next pieces are made.
  /// - Throws: what `make` and `use` throw, the first in the order of the rows.
  package static func forEach<Piece>(
    _ rows: Int, by size: Int, make: (Range<Int>) throws(InputError) -> Piece,
    use: (Range<Int>, Piece) throws(InputError) -> Void
  ) throws(InputError) {
    let threads = min(ThreadPool.shared.limit, maximumThreads)
    let size = max(1, size)
    let pieces = stride(from: 0, to: rows, by: size).map { $0..<min(rows, $0 + size) }
    var made: [Result<Piece, InputError>] = []
    var next = 0
    while next < pieces.count || !made.isEmpty {
      let used = pieces[next - made.count..<next]
      let round = pieces[next..<min(pieces.count, next + 2 * threads)]
      var results = [Result<Piece, InputError>?](repeating: nil, count: round.count)
      var failure: InputError?
      let nextTask = Atomic(0)
      results.withUnsafeMutableBufferPointer { results in
        let results = results
        ThreadPool.shared.parallelFor(min(threads, round.count + 1)) { _ in
          while true {
            let task = nextTask.add(1, ordering: .relaxed).oldValue
            if task > round.count { return }
            if task > 0 {
              let rows = round[round.startIndex + task - 1]
              results[task - 1] = Result { () throws(InputError) in try make(rows) }
              continue
            }
            do throws(InputError) {
              for (rows, piece) in zip(used, made) { try use(rows, piece.get()) }
            } catch {
              failure = error
            }
          }
        }
      }
      if let failure { throw failure }
      made = results.compactMap { $0 }
      next += round.count
    }
  }
}

extension FileWriter {
  /// Writes rows piece by piece; `bytes` is called on several threads at once.
  package mutating func write(
    _ rows: Int, by size: Int, bytes: (Range<Int>) throws(InputError) -> [UInt8]
  ) throws(InputError) {
    try RowPieces.forEach(rows, by: size, make: bytes) { (_, bytes) throws(InputError) in
      try write(bytes)
    }
  }
}
