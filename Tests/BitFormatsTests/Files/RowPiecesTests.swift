import BitCore
@testable import BitFiles
import Synchronization
import Testing

@testable import BitFormats

@Suite struct RowPiecesTests {
  /// Pieces that are made in any order are used in theirs, once each, one at a time.
  @Test(arguments: [(0, 4), (1, 4), (4, 4), (1003, 4), (50, 1), (3, 100), (5, 0)])
  func piecesAreUsedInOrder(rows: Int, size: Int) throws {
    let made = Mutex<[Int]>([])
    let isUsing = Atomic(false)
    var used: [Int] = []
    try RowPieces.forEach(
      rows, by: size,
      make: { (range) throws(InputError) in
        made.withLock { $0 += range }
        return range.map { 3 * $0 }
      },
      use: { (range, piece) throws(InputError) in
        #expect(isUsing.exchange(true, ordering: .acquiringAndReleasing) == false)
        #expect(range.count <= max(1, size) && piece == range.map { 3 * $0 })
        used += range
        isUsing.store(false, ordering: .releasing)
      })
    #expect(used == Array(0..<rows))
    #expect(made.withLock { $0.sorted() } == Array(0..<rows))
  }

  /// The error is that of the first bad row, whichever thread finds one first.
  @Test(arguments: [0, 1, 17, 63, 198])
  func theFirstErrorIsThrown(first: Int) throws {
    func failure(_ row: Int) -> InputError {
      InputError(.malformed, source: "x", found: "row \(row)", expected: "none")
    }
    var used = 0
    let error = #expect(throws: InputError.self) {
      try RowPieces.forEach(
        200, by: 1,
        make: { (range) throws(InputError) in
          if range.lowerBound >= first { throw failure(range.lowerBound) }
        },
        use: { (_, _) throws(InputError) in used += 1 })
    }
    #expect(error == failure(first))
    #expect(used == first)

    used = 0
    let stop = #expect(throws: InputError.self) {
      try RowPieces.forEach(
        200, by: 1, make: { (_) throws(InputError) in },
        use: { (range, _) throws(InputError) in
          if range.lowerBound == first { throw failure(first) }
          used += 1
        })
    }
    #expect(stop == failure(first))
    #expect(used == first)
  }
}
