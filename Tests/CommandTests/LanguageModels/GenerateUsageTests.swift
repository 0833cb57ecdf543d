import Testing

/// Options of `bitlinear generate` that are wrong by themselves.
@Suite struct GenerateUsageTests {
  @Test(arguments: [
    ([], "Missing expected argument '<model>'"),
    (["M", "-m", "M", "-p", "a"], "Please provide the model as argument or with '--model', not"),
    (["", "-p", "a"], "The path of the model is empty."),
    (["M", "-p", "a", "--ids", "1"], "Please provide '--prompt' or '--ids', not both."),
    (["M", "-f", "a", "--ids", "1"], "Please provide '--file' or '--ids', not both."),
    (["M", "--ids", ""], "The list of '--ids' is empty."),
    (["M", "--ids", "1,-2"], "'1,-2' is invalid for '--ids <id,...>'"),
    (["M", "--ids", "99999999999"], "'99999999999' is invalid for '--ids"),
    (["M", "-n", "-2"], "'-2' is invalid for '--predict'. Please provide a number from -1 to"),
    (["M", "-c", "-1"], "'-1' is invalid for '--ctx-size'. Please provide a number from 0 to"),
    (["M", "-t", "0"], "'0' is invalid for '--threads'. Please provide a number from 1 to 1024."),
    (["M", "-b", "0"], "'0' is invalid for '--batch-size'. Please provide a number from 1 to"),
    (["M", "--temp", "nan"], "'nan' is invalid for '--temp'. Please provide 0, or a number of"),
    (["M", "--temp", "-0.5"], "'-0.5' is invalid for '--temp'."),
    (["M", "--temp", "inf"], "'inf' is invalid for '--temp'."),
    (["M", "--top-k", "-1"], "'-1' is invalid for '--top-k'."),
    (["M", "--top-p", "0"], "'0.0' is invalid for '--top-p'. Please provide a number above 0"),
    (["M", "--top-p", "1.5"], "'1.5' is invalid for '--top-p'."),
    (["M", "--min-p", "-0.1"], "'-0.1' is invalid for '--min-p'. Please provide a number from 0"),
    (["M", "--min-p", "nan"], "'nan' is invalid for '--min-p'."),
    (["M", "--repeat-penalty", "0"], "'0.0' is invalid for '--repeat-penalty'."),
    (["M", "--repeat-last-n", "-2"], "'-2' is invalid for '--repeat-last-n'."),
    (["M", "--frequency-penalty", "nan"], "'nan' is invalid for '--frequency-penalty'."),
    (["M", "--presence-penalty", "1e7"], "'10000000.0' is invalid for '--presence-penalty'."),
    (["M", "--logit-bias", "5"], "'5' is invalid for '--logit-bias"),
    (["M", "--logit-bias", "5+inf"], "'5+inf' is invalid for '--logit-bias"),
    (["M", "--logit-bias", "5+nan"], "'5+nan' is invalid for '--logit-bias"),
    (
      ["M", "--seed", "-2"], "'-2' is invalid for '--seed'. Please provide a number of at least -1"
    ),
    (["M", "--stop", ""], "The text of '--stop' is empty."),
    (["M", "--draft-ngram", "65"], "'65' is invalid for '--draft-ngram'."),
    (["M", "--logprobs", "3"], "'--logprobs' needs '--json'."),
    (["M", "--json", "--logprobs", "-1"], "'-1' is invalid for '--logprobs'."),
    (["M", "--activations", "int9"], "'int9' is invalid for '--activations"),
    (["M", "--cache-type", "q4"], "'q4' is invalid for '--cache-type"),
    (["M", "--system", "a"], "'--system' needs '--chat'."),
    (["M", "--template", "chatml"], "'--template' needs '--chat'."),
    (["M", "--chat", "--ids", "1"], "'--chat' needs a text, not '--ids'."),
    (["M", "--what"], "Unknown option '--what'"),
  ])
  func wrongUsageIsToldBeforeAnythingIsRead(arguments: [String], message: String) async throws {
    let run = try await Program.run(["generate"] + arguments)
    run.expectUsageError(message, usage: "bitlinear generate")
  }
}
