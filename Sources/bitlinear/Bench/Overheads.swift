import BitCore
import BitFiles
import BitTraining

/// What surrounds the products: quantizing a token, packing float weights, waking threads.
struct Overheads {
  let shape: BenchShape
  let formats: [BenchFormat]
  let threads: [Int]
  /// Bits of activations.
  let bits: Int

  /// One measured step.
  struct Result {
    let step: String
    let threads: Int
    let timing: Timing

    static let header = ["Step", "Threads", "us", "Fastest to slowest"]

    var row: [String] {
      [
        step, "\(threads)", NumberText.fixed(timing.median, decimals: 2),
        NumberText.fixed(timing.fastest, decimals: 2) + " to "
          + NumberText.fixed(timing.slowest, decimals: 2),
      ]
    }

    var json: JSONObject {
      [
        "step": .string(step), "threads": .integer(Int64(threads)),
        "kernel": .string(CPU.kernelName), "microseconds": .number(timing.median),
        "fastest_microseconds": .number(timing.fastest),
        "slowest_microseconds": .number(timing.slowest),
      ]
    }
  }

  /// Measures each step with each number of threads.
  func measure() -> [Result] {
    var generator = SeededGenerator(seed: 0)
    let token = generator.normal([1, shape.columns])
    let weights = generator.uniform([shape.rows, shape.columns], bound: 1)
    var results: [Result] = []
    for count in threads {
      let pool = ThreadPool(threads: count)
      func measure(_ step: String, _ body: @escaping () -> Void) {
        let timing = Timing.inTurn(rounds: 15, roundSeconds: 0.01, [body])[0]
        results.append(Result(step: step, threads: count, timing: timing))
      }
      measure("empty parallel loop") { pool.parallelFor(count) { _ in } }
      measure("quantize \(shape.columns) activations to \(bits) bits") {
        _ = ActivationQuantizer(bits: bits).quantize(token, kernels: .active, pool: pool)
      }
      for format in formats where format.blockColumns == nil {
        let quantizer = WeightQuantizer(format.format.alphabet)
        measure("pack \(shape) floats to \(format)") {
          let statistics = quantizer.statistics(
            of: weights, groups: 1, kernels: .active, pool: pool)
          _ = quantizer.quantize(
            weights, statistics: statistics, format: format.format, pool: pool)
        }
      }
    }
    return results
  }
}
