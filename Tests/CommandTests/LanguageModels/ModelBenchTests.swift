import Foundation
import Testing

/// `bitlinear bench --model`: what it prints, not how fast it is.
@Suite struct ModelBenchTests {
  private let arguments = [
    "bench", "--model", Models.llama, "-p", "24", "-n", "3", "-d", "0,40", "-r", "1", "-t", "1,2",
  ]

  @Test func eachTestIsALine() async throws {
    let run = try await Program.run(arguments + ["--json"])
    #expect(run.code == 0 && run.error == "")
    let lines = try run.output.split(separator: "\n").map {
      try #require(
        try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(lines.map { $0["test"] as? String } == ["pp", "tg", "tg", "pp", "tg", "tg"])
    #expect(lines.map { $0["depth"] as? Int } == [0, 0, 40, 0, 0, 40])
    #expect(lines.map { $0["threads"] as? Int } == [1, 1, 1, 2, 2, 2])
    for line in lines {
      for key in ["tokens_per_second", "limit_gbps", "limit_gops", "share_of_product_peak"] {
        let value = try #require(line[key] as? Double)
        #expect(value > 0 && value.isFinite, "\(key)")
      }
      let isPrompt = line["test"] as? String == "pp"
      #expect((line["share_of_memory_limit"] is NSNull) == isPrompt)
    }
    let bytes = lines.compactMap { $0["bytes_per_token"] as? Int }
    // Keys and values of 40 tokens more: 2 layers, 2 heads of 32, two bytes each, and both.
    #expect(bytes[2] - bytes[1] == 40 * 2 * 2 * 2 * 32 * 2)
  }

  @Test func tableHasARowForEach() async throws {
    let run = try await Program.run(arguments)
    #expect(run.code == 0)
    for (name, rows) in [("pp24 ", 2), ("tg3 ", 4), ("tg3 after 40 ", 2)] {
      #expect(run.output.components(separatedBy: "\n\(name)").count == 1 + rows, "\(name)")
    }
  }

  @Test func badInputIsRefused() async throws {
    try await Program.run(["bench", "-m", Models.llama, "-p", "257"]).expectRefusal(
      source: Models.llama, found: "a text of 257 tokens to measure", expected: "at most 256")
    for (options, message) in [
      (["-p", "5"], "'--n-prompt' needs '--model'."),
      (["-d", "5"], "'--n-depth' needs '--model'."),
      (["--activations", "int8"], "'--activations' needs '--model'."),
      (["-m", "M", "--csv"], "'--csv' is for kernels, not for '--model'."),
      (["-m", "M", "--check", "5"], "'--check' is for kernels, not for '--model'."),
      (["-m", "M", "-p", "-1"], "'-1' is invalid for '--n-prompt'."),
      (["-m", "M", "-d", ""], "The list of '--n-depth' is empty."),
      (["-m", "M", "-r", "0"], "'0' is invalid for '--repetitions'."),
      (["-m", "M", "-p", "0", "-n", "0"], "leaves nothing to measure."),
    ] {
      try await Program.run(["bench"] + options).expectUsageError(
        message, usage: "bitlinear bench")
    }
  }
}
