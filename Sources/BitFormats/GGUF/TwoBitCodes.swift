/// Codes of two bits, four in a byte, the stored 0, 1, 2, 3 for -1, 0, +1, +2.
///
/// They go in chunks of `4 * strand` elements in `strand` bytes:
///
///     element m + strand * n of a chunk = (byte[m] >> shift(n)) & 3, less 1     n = 0...3
///
/// where shift(n) is 2n, or 6 - 2n if the first element has the top bits. TQ2_0 has strands of 32,
/// IQ2_BN of 16, Q2_0 of 1; I2_S has strands of 32 (x86) or 16 (ARM), top bits first.
struct TwoBitCodes {
  let strand: Int
  var isFirstHigh = false

  private func shift(_ n: Int) -> UInt8 { UInt8(isFirstHigh ? 6 - 2 * n : 2 * n) }

  /// Reads `count` codes, a multiple of the chunk.
  func decode(_ bytes: UnsafePointer<UInt8>, _ count: Int, to codes: UnsafeMutablePointer<Int8>) {
    for chunk in 0..<count / (4 * strand) {
      let source = bytes + chunk * strand
      let target = codes + chunk * 4 * strand
      for n in 0..<4 {
        let shift = shift(n)
        for m in 0..<strand {
          target[strand * n + m] = Int8(bitPattern: (source[m] &>> shift) & 3) - 1
        }
      }
    }
  }

  /// Writes `count` codes, a multiple of the chunk.
  func encode(_ codes: UnsafePointer<Int8>, _ count: Int, to bytes: UnsafeMutablePointer<UInt8>) {
    for chunk in 0..<count / (4 * strand) {
      let source = codes + chunk * 4 * strand
      for m in 0..<strand {
        var byte: UInt8 = 0
        for n in 0..<4 {
          byte |= UInt8(bitPattern: source[strand * n + m] + 1) << shift(n)
        }
        bytes[chunk * strand + m] = byte
      }
    }
  }
}
