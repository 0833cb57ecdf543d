import Foundation
import Testing

@testable import bitlinear

/// The share of the roofline that `bitlinear bench` prints and checks.
@Suite struct BenchRooflineTests {
  /// A product of 1000 bytes and 2 * 10 * 20 operations for each token, on a machine that reads
  /// 2 GB/s and does 1.6 GOP/s: it needs half a microsecond to read, and a quarter of a microsecond
  /// for each token to multiply.
  private func result(
    tokens: Int, threads: Int = 1, bits: Int = 8, microseconds: Double = 1
  ) throws -> BenchResult {
    BenchResult(
      format: try #require(BenchFormat(argument: "ternary2")),
      shape: try #require(BenchShape(argument: "10x20")), tokens: tokens, threads: threads,
      bits: bits,
      mode: .hot,
      timing: Timing(median: microseconds, fastest: microseconds / 2, slowest: microseconds * 2),
      weightBytes: 1000, limitGBps: 2, limitGOPs: 1.6)
  }

  @Test(arguments: [(1, 1, 0.5), (2, 1, 0.5), (3, 1, 0.75), (3, 3, 0.25), (1, 0.25, 2)])
  func slowerLimitCounts(tokens: Int, microseconds: Double, share: Double) throws {
    let result = try result(tokens: tokens, microseconds: microseconds)
    #expect(abs(result.roofline - share) < 1e-9)
  }

  @Test func wideActivationsHaveTwoBytes() throws {
    #expect(abs(try result(tokens: 3, bits: 9).roofline - 1.5) < 1e-9)
    #expect(abs(try result(tokens: 1, bits: 16).roofline - 0.5) < 1e-9)
  }

  @Test func slowProductsAreNamed() throws {
    let results = [
      try result(tokens: 1), try result(tokens: 3, microseconds: 0.99),
      try result(tokens: 1, microseconds: 0.50005),
      try result(tokens: 3, threads: 2, microseconds: 0.99),
    ]
    #expect(SlowProducts(results, under: 50) == nil)
    #expect(
      SlowProducts(results, under: 76)?.description == """
        3 of 4 products are under 76% of the roofline:
          ternary2 10x20, 1 token, 1 thread: 50.0%
          ternary2 10x20, 3 tokens, 1 thread: 75.7%
          ternary2 10x20, 3 tokens, 2 threads: 75.7%
        """)
    // Never rounded up to what would be enough.
    #expect(SlowProducts(results, under: 100)?.description.contains("1 thread: 99.9%") == true)
  }

  /// A layer so small that what surrounds the product takes longer than the limits.
  private let arguments = [
    "bench", "--shapes", "16x64", "--tokens", "1", "--threads", "1", "--formats", "ternary2",
    "--mode", "hot", "--bits", "16", "--check",
  ]

  @Test(arguments: [[], ["--json"], ["--csv"]])
  func slowProductEndsWithOneAfterTheResults(output: [String]) async throws {
    let run = try await Program.run(arguments + ["100"] + output)
    #expect(run.code == 1 && run.isExit)
    #expect(run.output.contains("ternary2"))
    #expect(
      run.error.hasPrefix(
        """
        Error: 1 of 1 products are under 100% of the roofline:
          ternary2 16x64, 1 token, 1 thread:
        """))
  }

  @Test func fastProductsPass() async throws {
    let run = try await Program.run(
      arguments.map { $0 == "16x64" ? "512x512" : $0 } + ["1", "--json"])
    #expect(run.code == 0 && run.error == "")
    #expect(try run.json()["bits"] as? Int == 16)
  }
}
