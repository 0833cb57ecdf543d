import BitCore
import BitFormats
import Foundation
import Testing

/// Options and variables that the program refuses.
@Suite struct BadOptionTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  struct Case: CustomTestStringConvertible {
    let arguments: [String]
    let source: String
    let found: String
    let expected: String
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ arguments: String..., source: String? = nil, found: String, expected: String) {
      self.arguments = arguments
      self.source = source ?? arguments[0]
      self.found = found
      self.expected = expected
    }
  }

  @Test(arguments: [
    Case(
      "--layers", "65536,65536", source: "--layers 65536,65536",
      found: "4299358208 weights", expected: "at most 268435456"),
    Case(
      "--groups", "4", source: "--layers 18 --groups 4",
      found: "4 groups for a layer of 18 features",
      expected: "a number that divides every layer of 18-3"),
  ])
  func optionThatDoesNotFitTheDataIsRefused(_ bad: Case) async throws {
    let earlier = try EarlierRun(in: folder)
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(data: data, out: earlier.path, bad.arguments))
    run.expectRefusal(source: bad.source, found: bad.found, expected: bad.expected)
    try earlier.expectUntouched()
  }

  @Test(arguments: [
    ("--layers abc", "'abc' is invalid for '--layers <n,n,...>'"),
    ("--layers 0", "'0' is invalid for '--layers'. Please provide a number from 1 to 65536."),
    ("--layers 12,,3", "'12,,3' is invalid for '--layers <n,n,...>'"),
    ("--layers -5", "'-5' is invalid for '--layers'. Please provide a number from 1 to 65536."),
    ("--layers 12,99999", "'99999' is invalid for '--layers'. Please provide a number from 1 to"),
    ("--groups 0", "'0' is invalid for '--groups'. Please provide a number from 1 to 65536."),
    ("--epochs -1", "'-1' is invalid for '--epochs'. Please provide a number from 0 to 1000000."),
    ("--epochs 9223372036854775807", "'9223372036854775807' is invalid for '--epochs'"),
    ("--batch-size 0", "'0' is invalid for '--batch-size'. Please provide a number from 1 to 1"),
    ("--batch-size 9223372036854775807", "'9223372036854775807' is invalid for '--batch-size'"),
    ("--learning-rate nan", "'nan' is invalid for '--learning-rate'. Please provide a positive"),
    ("--learning-rate 0", "'0.0' is invalid for '--learning-rate'. Please provide a positive"),
    ("--learning-rate -1", "'-1.0' is invalid for '--learning-rate'. Please provide a positive"),
    ("--save-every -1", "'-1' is invalid for '--save-every'. Please provide a number of at least"),
    ("--data ", "The path of '--data' is empty."),
    ("--recipe float --baseline", "'--baseline' needs a recipe other than float"),
  ])
  func badOptionIsAUsageError(options: String, message: String) async throws {
    let earlier = try EarlierRun(in: folder)
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(
        data: data, out: earlier.path, options.components(separatedBy: " ")))
    run.expectUsageError(message, usage: "bitlinear train")
    try earlier.expectUntouched()
  }

  @Test func labelColumnNeedsAFile() async throws {
    let run = try await Program.run(["train", "--label-column", "y"])
    run.expectUsageError(
      "'--label-column' needs '--data' with CSV files.", usage: "bitlinear train")
  }

  @Test(arguments: [
    ("BITLINEAR_CPU", "nonsense", "scalar"), ("BITLINEAR_THREADS", "zero", "a number in 1...1024"),
    ("BITLINEAR_THREADS", "0", "a number in 1...1024"),
  ])
  func badVariableIsRefused(name: String, value: String, expected: String) async throws {
    let earlier = try EarlierRun(in: folder)
    let data = try TinyData().writeIDX(in: folder)
    for command in [
      ["cpu"], ["eval", folder.path("run/model.safetensors"), "--data", data],
      trainArguments(data: data, out: earlier.path),
    ] {
      let run = try await Program.run(command, environment: [name: value])
      run.expectRefusal(source: name, found: "\"\(value)\"", expected: "")
      #expect(run.error.contains(expected))
    }
    try earlier.expectUntouched()
  }

  @Test func labelColumnNeedsData() async throws {
    let run = try await Program.run(["eval", folder.path("model"), "--label-column", "class"])
    run.expectUsageError("'--label-column' needs '--data'", usage: "bitlinear eval")
  }

  @Test func outFolderMustBePossible() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let file = try folder.write("file", "not a folder")
    for out in [file, "\(file)/run", "\(file)/deep/run", "/dev/null/run"] {
      let run = try await Program.run(trainArguments(data: data, out: out))
      run.expectRefusal(
        source: "--out \(out)", found: "Not a directory",
        expected: "a folder that can be made and written")
    }
    #expect(try folder.text("file") == "not a folder")
    let run = try await Program.run(trainArguments(data: data, out: ""))
    run.expectRefusal(source: "--out ", found: "No such file or directory", expected: "a folder")
  }

  @Test func refusedTrainingMakesNoFolder() async throws {
    let data = try TinyData().writeIDX(in: folder)
    for (more, code) in [(["--layers", "x"], 64), (["--groups", "7"], 1), (["--resume"], 1)] {
      let run = try await Program.run(
        trainArguments(data: data, out: folder.path("new/run"), more))
      #expect(run.code == code)
    }
    #expect(folder.names("") == ["data"])
  }

  @Test func outFolderIsMadeWithItsParents() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(data: data, out: folder.path("a/b/run/"), epochs: 0))
    #expect(run.code == 0 && run.complaints == [])
    #expect(folder.names("a/b/run").contains("packed.safetensors"))
    #expect(run.output.contains("Report: \(folder.path("a/b/run/report.html"))\n"))
  }

  @Test func divergenceNamesStepAndLayer() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(
        data: data, out: folder.path("run"), ["--recipe", "float", "--learning-rate", "1e30"]))
    run.expectRefusal(source: "training", found: "a loss of", expected: "finite numbers")
    #expect(run.error.contains(#/ at step [0-9]+, first in layer layers\.[01],/#), "\(run.error)")
    #expect(!folder.names("run").contains("model.safetensors"))
  }

  /// The last step is checked by the test samples alone.
  @Test func divergenceInTheLastStepIsFound() async throws {
    let data = try TinyData().writeIDX(in: folder)
    let run = try await Program.run(
      trainArguments(
        data: data, out: folder.path("run"), epochs: 1,
        ["--recipe", "float", "--learning-rate", "3e38", "--batch-size", "64"]))
    run.expectRefusal(
      source: "training", found: "a test loss of nan after step 1", expected: "finite numbers")
    #expect(folder.names("run") == [])
  }
}
