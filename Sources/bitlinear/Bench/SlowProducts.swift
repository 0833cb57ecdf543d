/// Products that `bench --check` found under a share of the roofline.
struct SlowProducts: Error, CustomStringConvertible {
  let description: String

  /// Those of `results` under `percent`, or nil if there are none.
  init?(_ results: [BenchResult], under percent: Int) {
    let slow = results.filter { $0.roofline * 100 < Double(percent) }
    guard !slow.isEmpty else { return nil }
    description =
      "\(slow.count) of \(results.count) products are under \(percent)% of the roofline:"
      + slow.map { "\n  \(Self.line($0))" }.joined()
  }

  private static func line(_ result: BenchResult) -> String {
    // Rounded down, so that no share reads as if it were enough.
    let percent = (result.roofline * 1000).rounded(.down) / 10
    return "\(result.format) \(result.shape), \(count(result.tokens, "token")), "
      + "\(count(result.threads, "thread")): \(percent)%"
  }

  private static func count(_ number: Int, _ name: String) -> String {
    "\(number) \(name)\(number == 1 ? "" : "s")"
  }
}
