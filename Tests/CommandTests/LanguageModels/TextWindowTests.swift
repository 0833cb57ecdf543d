import Testing

@testable import bitlinear

/// Which tokens of a text `perplexity` predicts, and from where.
@Suite struct TextWindowTests {
  private func window(_ range: Range<Int>, _ first: Int, begins: Bool = false) -> TextWindow {
    TextWindow(range: range, firstPredicted: first, beginsAnew: begins)
  }

  @Test func separateWindowsPredictTheirSecondHalf() {
    #expect(
      TextWindow.separate(count: 21, length: 8, isWhole: false, beginsAnew: true) == [
        window(0..<8, 5, begins: true), window(8..<16, 13, begins: true),
      ])
    #expect(
      TextWindow.separate(count: 16, length: 8, isWhole: true, beginsAnew: false) == [
        window(0..<8, 1), window(8..<16, 9),
      ])
    #expect(TextWindow.separate(count: 7, length: 8, isWhole: true, beginsAnew: false) == [])
  }

  @Test func slidingWindowsPredictWhatIsNew() {
    #expect(
      TextWindow.sliding(count: 21, length: 8, stride: 4) == [
        window(0..<8, 1), window(4..<12, 8), window(8..<16, 12), window(12..<20, 16),
        window(16..<21, 20),
      ])
    #expect(TextWindow.sliding(count: 5, length: 8, stride: 4) == [window(0..<5, 1)])
    #expect(
      TextWindow.sliding(count: 9, length: 4, stride: 4) == [window(0..<4, 1), window(4..<8, 5)])
  }

  @Test(arguments: 2...40)
  func slidingWindowsPredictEachTokenOnce(count: Int) {
    for length in 2...10 {
      for stride in 1..<length {
        let windows = TextWindow.sliding(count: count, length: length, stride: stride)
        let predicted = windows.flatMap { Array($0.firstPredicted..<$0.range.upperBound) }
        #expect(predicted == Array(1..<count), "\(length) \(stride)")
        #expect(windows.allSatisfy { $0.firstPredicted > $0.range.lowerBound })
        #expect(windows.allSatisfy { $0.range.count <= length })
      }
    }
  }
}
