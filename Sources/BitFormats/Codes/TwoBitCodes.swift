/// Codes of two bits, four in a byte, the stored 0, 1, 2, 3 for -1, 0, +1, +2.
///
/// They go in chunks of `4 * strand` elements in `strand` bytes:
///
///     element m + strand * n of a chunk = (byte[m] >> shift(n)) & 3, less 1     n = 0...3
///
/// where shift(n) is 2n, or 6 - 2n if the first element has the top bits. TQ2_0 has strands of 32,
/// IQ2_BN of 16, Q2_0 and this project's files of 1; I2_S has strands of 32 (x86) or 16 (ARM), top
/// bits first.
struct TwoBitCodes {
  private typealias Bytes = SIMD16<UInt8>

  let strand: Int
  let isFirstHigh: Bool

  /// Four elements in each byte, the first in the lowest bits.
  static let consecutive = TwoBitCodes(strand: 1)

  /// - Parameter strand: 1, without `isFirstHigh`, or a multiple of 16.
  init(strand: Int, isFirstHigh: Bool = false) {
    precondition(strand == 1 ? !isFirstHigh : strand.isMultiple(of: 16), "no such layout")
    (self.strand, self.isFirstHigh) = (strand, isFirstHigh)
  }

  private func shift(_ n: Int) -> UInt8 { UInt8(isFirstHigh ? 6 - 2 * n : 2 * n) }

  /// Reads `count` codes, a multiple of the chunk.
  func decode(_ bytes: UnsafePointer<UInt8>, _ count: Int, to codes: UnsafeMutablePointer<Int8>) {
    if strand == 1 { return Self.decodeConsecutive(bytes, count, to: codes) }
    let (source, target) = (UnsafeRawPointer(bytes), UnsafeMutableRawPointer(codes))
    let shifts = SIMD4(shift(0), shift(1), shift(2), shift(3))
    for chunk in stride(from: 0, to: count / 4, by: strand) {
      for m in stride(from: 0, to: strand, by: 16) {
        let fields = source.loadUnaligned(fromByteOffset: chunk + m, as: Bytes.self)
        for n in 0..<4 {
          target.storeBytes(
            of: (fields &>> shifts[n]) & 3 &- 1, toByteOffset: 4 * chunk + n * strand + m,
            as: Bytes.self)
        }
      }
    }
  }

  /// Writes `count` codes, a multiple of the chunk.
  func encode(_ codes: UnsafePointer<Int8>, _ count: Int, to bytes: UnsafeMutablePointer<UInt8>) {
    if strand == 1 { return Self.encodeConsecutive(codes, count, to: bytes) }
    let (source, target) = (UnsafeRawPointer(codes), UnsafeMutableRawPointer(bytes))
    let shifts = SIMD4(shift(0), shift(1), shift(2), shift(3))
    for chunk in stride(from: 0, to: count / 4, by: strand) {
      for m in stride(from: 0, to: strand, by: 16) {
        var fields = Bytes.zero
        for n in 0..<4 {
          let codes = source.loadUnaligned(
            fromByteOffset: 4 * chunk + n * strand + m, as: Bytes.self)
          fields |= (codes &+ 1) &<< shifts[n]
        }
        target.storeBytes(of: fields, toByteOffset: chunk + m, as: Bytes.self)
      }
    }
  }

  /// Four codes are handled as the bytes of one word.
  private static func decodeConsecutive(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, to codes: UnsafeMutablePointer<Int8>
  ) {
    let target = UnsafeMutableRawPointer(codes)
    for place in 0..<count / 4 {
      let byte = UInt32(bytes[place])
      let fields = (byte | byte &<< 6 | byte &<< 12 | byte &<< 18) & 0x0303_0303
      // Less 1 in each byte, without borrowing from its neighbour.
      let word = ((fields | 0x8080_8080) &- 0x0101_0101) ^ 0x8080_8080
      target.storeBytes(of: word.littleEndian, toByteOffset: 4 * place, as: UInt32.self)
    }
  }

  private static func encodeConsecutive(
    _ codes: UnsafePointer<Int8>, _ count: Int, to bytes: UnsafeMutablePointer<UInt8>
  ) {
    let source = UnsafeRawPointer(codes)
    for place in 0..<count / 4 {
      let word = UInt32(
        littleEndian: source.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self))
      // One more in each byte, without carrying into its neighbour.
      let fields = ((word & 0x7f7f_7f7f) &+ 0x0101_0101) ^ (word & 0x8080_8080)
      bytes[place] = UInt8(
        truncatingIfNeeded: fields | fields &>> 6 | fields &>> 12 | fields &>> 18)
    }
  }
}
