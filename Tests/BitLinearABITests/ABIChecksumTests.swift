import BitCore
import CBitLinear
import Testing

@testable import BitLinearABI

/// The checksum by which a caller sees whether weights are those that it packed.
struct ABIChecksumTests {
  private static func checksum(
    _ bytes: [UInt8], rows: Int = 1, length: Int? = nil, stride: Int? = nil
  ) -> UInt64 {
    var found: UInt64 = 0
    let length = length ?? bytes.count
    let status = bitlinear_checksum(
      bytes, Int64(rows), Int64(length), Int64(stride ?? length), &found)
    #expect(status == 0)
    return found
  }

  @Test(arguments: [1, 7, 8, 63, 64, 65, 300])
  func everyBitCounts(count: Int) {
    var bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 5) }
    var seen: Set = [Self.checksum(bytes)]
    for bit in 0..<8 * count {
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      seen.insert(Self.checksum(bytes))
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    }
    // Zeros at the end are bytes too.
    seen.insert(Self.checksum(bytes + [0]))
    #expect(seen.count == 8 * count + 2)
  }

  /// Changes of many weights at once, which a sum of them would not show.
  @Test func changesThatCouldCancel() {
    let weights = (0..<4096).map { Float($0 * 7 % 101) - 50.5 }
    let bytes = { (values: [Float]) in values.withUnsafeBytes(Array.init) }
    let variants = [
      weights, weights.map { -$0 }, weights.reversed(), weights.map { $0 * 2 },
      Array(weights[64...] + weights[..<64]), Array(weights[1...] + weights[..<1]),
      weights.enumerated().map { $0.offset % 64 < 32 ? -$0.element : $0.element },
    ]
    #expect(Set(variants.map { Self.checksum(bytes($0)) }).count == variants.count)
  }

  @Test func rowsThatAreApart() {
    let rows = (0..<50).map { row in (0..<33).map { column in UInt8(column * 3 + row) } }
    let apart: [UInt8] = rows.flatMap { $0 + [99, 98] }
    let other: [UInt8] = rows.flatMap { $0 + [1, 2] }
    let found = Self.checksum(apart, rows: 50, length: 33, stride: 35)
    #expect(found == Self.checksum(other, rows: 50, length: 33, stride: 35))
    var changed = apart
    changed[35 * 20 + 7] += 1
    #expect(found != Self.checksum(changed, rows: 50, length: 33, stride: 35))
  }

  @Test func threadsChangeNothing() {
    let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }
    let limit = ThreadPool.shared.limit
    defer { ThreadPool.shared.limit = limit }
    ThreadPool.shared.limit = 1
    let alone = Self.checksum(bytes, rows: 3000, length: 1000)
    ThreadPool.shared.limit = limit
    #expect(Self.checksum(bytes, rows: 3000, length: 1000) == alone)
  }

  @Test func badArgumentsAreTold() {
    var found: UInt64 = 77
    let bytes = [UInt8](repeating: 0, count: 8)
    let invalid = Int32(BITLINEAR_INVALID_ARGUMENT)
    #expect(bitlinear_checksum(nil, 1, 8, 8, &found) == invalid)
    #expect(bitlinear_checksum(bytes, -1, 8, 8, &found) == invalid)
    #expect(bitlinear_checksum(bytes, 1, -8, 8, &found) == invalid)
    #expect(bitlinear_checksum(bytes, 2, 8, 7, &found) == Int32(BITLINEAR_MISMATCH))
    #expect(bitlinear_checksum(bytes, 1, 8, 8, nil) == invalid)
    #expect(found == 77)
    #expect(bitlinear_checksum(nil, 0, 8, 8, &found) == 0)
  }
}
