/// Times of one repeated piece of work.
struct Timing {
  /// Microseconds per call: the median of the rounds, the fastest and the slowest.
  let median: Double
  let fastest: Double
  let slowest: Double

  /// Times several pieces of work in turn, so that all of them see the same changes of the
  /// machine's speed: in each of the rounds, each of them is repeated for `roundSeconds`.
  static func inTurn(
    rounds: Int = 9, roundSeconds: Double = 0.015, _ bodies: [() -> Void]
  ) -> [Timing] {
    let calls = bodies.map { self.calls(of: $0, for: roundSeconds) }
    var times = [[Double]](repeating: [], count: bodies.count)
    for _ in 0..<rounds {
      for index in bodies.indices {
        times[index].append(
          1e6 * seconds(of: calls[index], bodies[index]) / Double(calls[index]))
      }
    }
    return times.map { times in
      let sorted = times.sorted()
      return Timing(
        median: sorted[sorted.count / 2], fastest: sorted[0], slowest: sorted[sorted.count - 1])
    }
  }

  /// How many calls take about `target` seconds; finding out also warms up.
  private static func calls(of body: () -> Void, for target: Double) -> Int {
    var calls = 1
    var time = seconds(of: calls, body)
    while time < target {
      let factor = min(8, 1.2 * target / max(time, 1e-9))
      calls = max(calls + 1, Int(Double(calls) * factor))
      time = seconds(of: calls, body)
    }
    return calls
  }

  private static func seconds(of calls: Int, _ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let begin = clock.now
    for _ in 0..<calls { body() }
    return (clock.now - begin).seconds
  }
}
