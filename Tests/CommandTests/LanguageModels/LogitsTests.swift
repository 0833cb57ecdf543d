import BitCore
import BitFormats
import BitLM
import Foundation
import Testing

/// `bitlinear logits`.
@Suite struct LogitsTests {
  private static let ids: [Int32] = [312, 185, 251, 32, 43, 167, 61]
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write(
    _ model: String, _ more: [String] = [], environment: [String: String] = [:]
  ) async throws -> Program.Run {
    try await Program.run(
      ["logits", model, "--ids", Models.list(Self.ids), "-o", folder.path("l.safetensors")] + more,
      environment: environment)
  }

  @Test(arguments: ["llama-b158-256", "qwen3-t128-tied", "gguf/llama-float-64-q4_1.gguf"])
  func fileIsTheSameOnEveryMachine(name: String) async throws {
    var files: Set<[UInt8]> = []
    var environments: [[String: String]] = ["scalar", "avx2"].map { ["BITLINEAR_CPU": $0] }
    environments += (1...3).map { ["BITLINEAR_THREADS": "\($0)"] }
    for environment in environments {
      let run = try await write(Models.path(name), environment: environment)
      if run.code == 1, run.error.contains("BITLINEAR_CPU: found") { continue }
      #expect(run.code == 0 && run.output == "" && run.error == "")
      files.insert(try folder.bytes("l.safetensors"))
    }
    for threads in 1...3 {
      #expect(try await write(Models.path(name), ["-t", "\(threads)"]).code == 0)
      files.insert(try folder.bytes("l.safetensors"))
    }
    #expect(files.count == 1)

    let file = try SafetensorsFile(path: folder.path("l.safetensors"))
    #expect(file.tensors.map(\.name) == ["logits"])
    let tensor = try file.tensor("logits")
    #expect(tensor.shape.extents == [Self.ids.count, 320])
    let expected = try Models.logits(LanguageModel.load(path: Models.path(name)), Self.ids)
    #expect(tensor.scalars == expected.flatMap { $0 })
  }

  @Test func textIsTokenized() async throws {
    let run = try await Program.run([
      "logits", Models.llama, "-p", "Hi there", "-o", folder.path("t.safetensors"),
    ])
    #expect(run.code == 0)
    let tokenizer = try LanguageModel.load(path: Models.llama).requiredTokenizer()
    let count = try tokenizer.encode("Hi there").count
    let file = try SafetensorsFile(path: folder.path("t.safetensors"))
    #expect(try file.tensor("logits").shape.extents == [count, 320])
  }

  @Test func badInputLeavesNoFile() async throws {
    let output = folder.path("out.safetensors")
    func run(_ ids: String) async throws -> Program.Run {
      try await Program.run(["logits", Models.llama, "--ids", ids, "-o", output])
    }
    try await run("1,320").expectRefusal(
      source: "prompt", found: "the id 320", expected: "ids from 0 to 319")
    let long = Models.list(Array(repeating: 1, count: 257))
    try await run(long).expectRefusal(
      source: "prompt", found: "257 tokens", expected: "at most 256")
    #expect(folder.names("") == [])
    try await Program.run(["logits", Models.llama, "--ids", "1"]).expectUsageError(
      "Missing expected argument '--output <path>'", usage: "bitlinear logits")
  }
}
