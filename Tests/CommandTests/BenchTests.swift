import BitCore
import BitFormats
import Foundation
import Testing

/// `bitlinear bench`: what it prints, not how fast it is.
@Suite struct BenchTests {
  @Test func eachCombinationIsALine() async throws {
    let run = try await Program.run([
      "bench", "--shapes", "24x64,16x100", "--tokens", "1,7", "--threads", "1,2", "--mode", "hot",
      "--json",
    ])
    #expect(run.code == 0)
    let lines = run.output.split(separator: "\n")
    let formats = ["ternary2", "ternary1.6", "sign1", "ternary2-b128", "sign1-b128"]
    #expect(lines.count == formats.count * 2 * 2 * 2)
    for line in lines {
      let json = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      for key in ["microseconds", "gbps", "gops", "limit_gbps", "limit_gops", "roofline"] {
        let value = try #require(json[key] as? Double)
        #expect(value > 0 && value.isFinite, "\(key)")
      }
      #expect(json["mode"] as? String == "hot")
      #expect(formats.contains(try #require(json["format"] as? String)))
      #expect(json["kernel"] is String && json["out"] is Int && json["in"] is Int)
      #expect(json["tokens"] is Int && json["threads"] is Int && json["bits"] as? Int == 8)
    }
  }

  @Test func tableAndCommaSeparatedValues() async throws {
    let arguments = [
      "bench", "--shapes", "16x64", "--tokens", "1", "--threads", "1", "--formats", "ternary2",
      "--mode", "hot",
    ]
    let table = try await Program.run(arguments)
    #expect(table.code == 0 && table.output.contains("ternary2  16x64"))
    #expect(table.output.contains("\nWeights: from the caches, activations: 8 bits\n"))
    let csv = try await Program.run(arguments + ["--csv"])
    let lines = csv.output.split(separator: "\n").map { $0.split(separator: ",") }
    #expect(lines.count == 2 && lines[0].count == lines[1].count)
    #expect(lines[0].prefix(3) == ["format", "out", "in"])
    #expect(lines[1].prefix(3) == ["ternary2", "16", "64"])
  }

  @Test func whatSurroundsProducts() async throws {
    let arguments = [
      "bench", "--overheads", "--shapes", "70x90", "--threads", "1,2", "--formats",
      "sign1,ternary1.6",
    ]
    let table = try await Program.run(arguments)
    #expect(table.code == 0 && table.output.contains("quantize 90 activations to 8 bits"))
    let json = try await Program.run(arguments + ["--json"])
    let lines = json.output.split(separator: "\n")
    #expect(lines.count == 2 * 4)
    for line in lines {
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect(try #require(object["microseconds"] as? Double) > 0)
    }
    let csv = try await Program.run(arguments + ["--csv"])
    csv.expectUsageError("'--overheads' prints a table or '--json', not '--csv'")
    let check = try await Program.run(arguments + ["--check", "1"])
    check.expectUsageError("'--check' is for products, which '--overheads' does not measure.")
  }

  @Test func kernelsOfEachFormat() async throws {
    let run = try await Program.run(["cpu", "--json"])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    let formats = try #require(object["formats"] as? [String: [String: Any]])
    #expect(Set(formats.keys) == ["ternary2", "ternary1.6", "sign1"])
    #expect(formats.values.allSatisfy { $0["kernel"] as? String == object["kernel"] as? String })
    #expect(formats.values.allSatisfy { ($0["packed_tokens"] as? Int ?? 1) >= 1 })
  }

  @Test(arguments: [
    (["--shapes", "16"], "'16' is invalid for '--shapes <OxI,...>'"),
    (["--shapes", "0x4"], "'0x4' is invalid for '--shapes"),
    (["--tokens", "0"], "'0' is invalid for '--tokens'. Please provide a number from 1 to 65536."),
    (["--tokens", ""], "The list of '--tokens' is empty."),
    (["--threads", "1,x"], "'1,x' is invalid for '--threads"),
    (["--threads", "1,1025"], "'1025' is invalid for '--threads'. Please provide a number from 1"),
    (["--formats", "ternary3"], "'ternary3' is invalid for '--formats"),
    (["--formats", "sign1-b100"], "'sign1-b100' is invalid for '--formats"),
    (["--formats", "sign1-"], "'sign1-' is invalid for '--formats"),
    (["--formats", "ternary2-b064"], "'ternary2-b064' is invalid for '--formats"),
    (["--bits", "1"], "'1' is invalid for '--bits'. Please provide a number from 2 to 16."),
    (["--bits", "17"], "'17' is invalid for '--bits'. Please provide a number from 2 to 16."),
    (["--check", "0"], "'0' is invalid for '--check'. Please provide a number from 1 to 100."),
    (["--check", "101"], "'101' is invalid for '--check'. Please provide a number from 1 to 100."),
    (["--check", "-1"], "'-1' is invalid for '--check'. Please provide a number from 1 to 100."),
    (["--check", "half"], "'half' is invalid for '--check <percent>'"),
    (["--json", "--csv"], "Please provide '--json' or '--csv', not both."),
  ])
  func badOptionIsAUsageError(options: [String], message: String) async throws {
    let run = try await Program.run(["bench"] + options)
    run.expectUsageError(message, usage: "bitlinear bench")
  }
}
