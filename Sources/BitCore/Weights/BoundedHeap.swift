/// The largest ones of the numbers that it is given, up to a limit.
struct BoundedHeap {
  private let limit: Int
  /// Each number is at most those at 2i + 1 and 2i + 2.
  private var numbers: [Double] = []

  init(limit: Int) { self.limit = limit }

  var isFull: Bool { numbers.count >= limit }

  /// The least of the numbers that it holds; infinity without any.
  var least: Double { numbers.first ?? .infinity }

  /// Takes in a number that is not NaN.
  mutating func insert(_ number: Double) {
    if !isFull {
      numbers.append(number)
      siftUp()
    } else if number > least {
      numbers[0] = number
      siftDown()
    }
  }

  private mutating func siftUp() {
    var index = numbers.count - 1
    while index > 0, numbers[index] < numbers[(index - 1) / 2] {
      numbers.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  private mutating func siftDown() {
    var index = 0
    while 2 * index + 1 < numbers.count {
      var child = 2 * index + 1
      if child + 1 < numbers.count, numbers[child + 1] < numbers[child] { child += 1 }
      guard numbers[child] < numbers[index] else { return }
      numbers.swapAt(index, child)
      index = child
    }
  }
}
