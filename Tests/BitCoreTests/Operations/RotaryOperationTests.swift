import Testing

@testable import BitCore

@Suite struct RotaryOperationTests {
  private let cosines = random([5, 3], seed: 1)
  private let sines = random([5, 3], seed: 2)

  /// The bits with which language models run.
  @Test(arguments: [6, 9])
  func `each head is rotated as by a decoder`(length: Int) {
    let x = random([2, 5, 4, length])
    let y = RotaryOperation.forward(x, cosines: cosines, sines: sines)
    var expected = Tensor.zeros(x.shape)
    expected.withUnsafeMutablePointer { out in
      for head in 0..<40 {
        let position = head / 4 % 5
        DecoderMath().rotate(
          x.pointer + head * length, length: length,
          cosines: UnsafeBufferPointer(start: cosines.pointer + 3 * position, count: 3),
          sines: sines.pointer + 3 * position, isInterleaved: false, out + head * length)
      }
    }
    #expect(sameBits(y, expected))
    #expect(sameBits(y.sliced(axis: -1, 6..<length), x.sliced(axis: -1, 6..<length)))
  }

  @Test func `tables that do not fit are refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = RotaryOperation.forward(
        .zeros([4, 2, 6]), cosines: .zeros([5, 3]), sines: .zeros([5, 3]))
    }
    expectMessage(result, "tables of shapes [5, 3] and [5, 3] do not fit heads of shape [4, 2, 6]")
  }
}
