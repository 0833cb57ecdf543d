import Foundation
import Testing

/// What `bitlinear train-lm` refuses: at once, in one line, and without a change to any file.
@Suite struct TrainLMRefusalTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Contents of files of texts, and what is wrong with them.
  @Test(arguments: [
    ("a.txt", "", "no text", "text"),
    ("a.txt", "one line\n", "9 tokens", "at least 17, for one window of 16"),
    ("a.txt", "abc", "no text to learn", "at least one token"),
    ("a.jsonl", "{\"text\": 1}\n", "\"text\" that is an integer", "a string"),
    ("a.jsonl", "{\"text\": \"a\"\n", "the end of the text", "','"),
    ("a.jsonl", "{\"texts\": \"a\"}\n", "", ""),
    ("a.jsonl", "\n\n", "no text", "text"),
  ])
  func texts(name: String, content: String, found: String, expected: String) async throws {
    let path = try folder.write(name, content)
    let run = try await Program.run(
      TinyTexts.trainArguments(data: path, out: folder.path("run")))
    #expect(run.code == 1 && run.isExit && run.output == "", "\(run.error)")
    #expect(run.complaints.count == 1 && run.error.hasPrefix("Error: \(path)"), "\(run.error)")
    #expect(run.error.contains(": found \(found)"), "\(run.error)")
    #expect(run.error.contains(", expected \(expected)"), "\(run.error)")
    #expect(folder.names("run").isEmpty)
  }

  @Test func textsThatAreNone() async throws {
    let earlier = try EarlierRun(in: folder)
    let invalid = try folder.write("a.txt", Array("abc".utf8) + [0xff, 0xfe])
    let empty = try folder.make("empty")
    let text = try TinyTexts.write(in: folder)
    for (data, source, found, expected) in [
      ([invalid], invalid, "the byte 0xff at offset 3", "text in UTF-8"),
      ([empty], empty, "a folder without .txt or .jsonl files", "a .txt or .jsonl file"),
      ([folder.path("no")], folder.path("no"), "nothing", "a .txt or .jsonl file"),
      ([text, "--valid", text], text, "the file \(text) that is trained with", "another one"),
    ] {
      let run = try await Program.run(
        TinyTexts.trainArguments(
          data: data[0], out: earlier.path, Array(data.dropFirst())))
      run.expectRefusal(source: source, found: found, expected: expected)
    }
    try earlier.expectUntouched()
  }

  @Test(arguments: [
    ("--num-heads 3", "--hidden-size", "32 for 3 heads", "a multiple of 6"),
    ("--num-heads 32", "--hidden-size", "32 for 32 heads", "a multiple of 64"),
    ("--num-heads 4 --num-key-value-heads 3", "--num-key-value-heads", "3", "a divisor of the 4"),
    ("--intermediate-size 30", "--recipe b158", "a layer of 30 rows", "a multiple of 4"),
    (
      "--hidden-size 16384 --num-layers 256", "train-lm", "a training that takes about",
      "at most the"
    ),
    (
      "--hidden-size 16384 --num-layers 256 --intermediate-size 65536 --batch-size 65536 "
        + "--grad-accumulation-steps 65536 --max-seq-length 1048576", "train-lm",
      "a training that takes about", "at most the"
    ),
    ("--batch-size 65536 --max-seq-length 65536", "train-lm", "a training", "at most the"),
    ("--tokenizer /nowhere", "/nowhere", "No such file or directory", "a readable file"),
  ])
  func modelsThatCannotBe(
    options: String, source: String, found: String, expected: String
  ) async throws {
    let earlier = try EarlierRun(in: folder)
    let data = try TinyTexts.write(in: folder)
    let run = try await Program.run(
      TinyTexts.trainArguments(
        data: data, out: earlier.path, options.components(separatedBy: " ")))
    run.expectRefusal(source: source, found: found, expected: expected)
    try earlier.expectUntouched()
  }

  @Test(arguments: [
    ("--hidden-size 1", "'1' is invalid for '--hidden-size'. Please provide a number from 2 to 1"),
    ("--num-layers 0", "'0' is invalid for '--num-layers'. Please provide a number from 1 to 256."),
    ("--num-heads 0", "'0' is invalid for '--num-heads'"),
    ("--intermediate-size 0", "'0' is invalid for '--intermediate-size'"),
    ("--max-seq-length 0", "'0' is invalid for '--max-seq-length'"),
    ("--iters -1", "'-1' is invalid for '--iters'. Please provide a number from 0 to 100000000."),
    ("--batch-size 0", "'0' is invalid for '--batch-size'"),
    ("--grad-accumulation-steps 0", "'0' is invalid for '--grad-accumulation-steps'"),
    ("--learning-rate nan", "'nan' is invalid for '--learning-rate'. Please provide a positive"),
    ("--learning-rate 0", "'0.0' is invalid for '--learning-rate'. Please provide a positive"),
    ("--weight-decay -1", "'-1.0' is invalid for '--weight-decay'"),
    ("--clip-norm -1", "'-1.0' is invalid for '--clip-norm'"),
    ("--clip-norm inf", "'inf' is invalid for '--clip-norm'"),
    ("--warmup -1", "'-1' is invalid for '--warmup'"),
    ("--quantization-warmup -1", "'-1' is invalid for '--quantization-warmup'"),
    ("--steps-per-report 0", "'0' is invalid for '--steps-per-report'"),
    ("--steps-per-eval -1", "'-1' is invalid for '--steps-per-eval'"),
    ("--patience 0", "'0' is invalid for '--patience'. Please provide a number of at least 1."),
    ("--save-every -1", "'-1' is invalid for '--save-every'"),
    ("--sample-tokens 5000", "'5000' is invalid for '--sample-tokens'"),
    ("--validation-share 0.6", "'0.6' is invalid for '--validation-share'"),
    ("--validation-share nan", "'nan' is invalid for '--validation-share'"),
    ("--seed -1", "'-1' is invalid for '--seed <n>'"),
    ("--lr-schedule linear", "'linear' is invalid for '--lr-schedule <lr-schedule>'"),
    ("--family gpt", "'gpt' is invalid for '--family <family>'"),
    ("--recipe bitnet", "'bitnet' is invalid for '--recipe <recipe>'"),
    ("--recipe float --baseline", "'--baseline' needs a recipe other than float"),
    ("--valid ", "A path of '--data' or '--valid' is empty."),
    ("--out ", "The path of '--out' is empty."),
    ("--nonsense", "Unknown option '--nonsense'"),
  ])
  func badOptionIsAUsageError(options: String, message: String) async throws {
    let earlier = try EarlierRun(in: folder)
    let run = try await Program.run(
      TinyTexts.trainArguments(
        data: folder.path("no"), out: earlier.path, options.components(separatedBy: " ")))
    run.expectUsageError(message, usage: "bitlinear train-lm")
    try earlier.expectUntouched()
  }

  @Test func textsAreNeeded() async throws {
    for arguments in [["train-lm"], ["train-lm", "--iters", "3"]] {
      try await Program.run(arguments).expectUsageError(
        "Missing expected argument '--data <path>'", usage: "bitlinear train-lm")
    }
  }

  @Test func foldersThatCannotBe() async throws {
    let data = try TinyTexts.write(in: folder)
    let file = try folder.write("file", "a file")
    for (out, found) in [(file, "Not a directory"), ("\(file)/run", "Not a directory")] {
      let run = try await Program.run(TinyTexts.trainArguments(data: data, out: out))
      run.expectRefusal(
        source: "--out \(out)", found: found, expected: "a folder that can be made and written")
    }
    #expect(try folder.text("file") == "a file")
    let missing = folder.path("missing")
    let run = try await Program.run(
      TinyTexts.trainArguments(data: data, out: missing, ["--resume"]))
    run.expectRefusal(
      source: "--resume", found: "no checkpoint.safetensors in \(missing)",
      expected: "one; without --resume a training starts from the beginning")
    #expect(!FileManager.default.fileExists(atPath: missing))
  }

  @Test func divergingTrainingNamesStepAndLayer() async throws {
    let data = try TinyTexts.write(in: folder)
    let run = try await Program.run(
      TinyTexts.trainArguments(
        data: data, out: folder.path("run"), ["--learning-rate", "1e30", "--warmup", "0"]))
    #expect(run.code == 1 && run.isExit && run.output == "", "\(run.error)")
    #expect(run.complaints.count == 1, "\(run.error)")
    let line = String(run.complaints.last ?? "")
    #expect(line.contains(/^Error: training: found .* step [12], first in .*, expected finite/))
    #expect(folder.names("run").isEmpty)
  }

  /// A limit on the size of files stands for a full disk. The shell counts in 512 bytes.
  @Test func fullDiskLeavesTheEarlierRun() async throws {
    let data = try TinyTexts.write(in: folder)
    let arguments = TinyTexts.trainArguments(
      data: data, out: folder.path("run"), iters: 2, ["--sample-tokens", "0"])
    #expect(try await Program.run(arguments).code == 0)
    let before = try ["checkpoint.safetensors", "report.html", "metrics.jsonl"].map {
      try folder.bytes("run/\($0)")
    }
    let run = try await Program.run(
      arguments,
      wrapper: ["/bin/sh", "-c", "ulimit -f 60; trap '' XFSZ; exec \"$@\"", "sh"])
    run.expectRefusal(
      source: folder.path("run/checkpoint.safetensors"), found: "File too large",
      expected: "to write")
    let after = try ["checkpoint.safetensors", "report.html", "metrics.jsonl"].map {
      try folder.bytes("run/\($0)")
    }
    #expect(before == after && !folder.names("run").contains { $0.hasPrefix(".") })
    #expect(try await Program.run(arguments + ["--resume"]).code == 0)
  }
}
