import ArgumentParser
import BitCore
import BitFiles
import BitLM
import BitTraining

/// A measurement of a text, window by window.
struct PerplexityRun {
  private let model: LanguageModel
  /// The model with activations that are not rounded, to compare with.
  private let exact: LanguageModel?
  private let ids: [Int32]
  private let windows: [TextWindow]
  private var perplexity = Perplexity()
  private var exactPerplexity = Perplexity()
  private var divergence = Divergence()

  init(_ model: LanguageModel, exact: LanguageModel?, ids: [Int32], windows: [TextWindow]) {
    (self.model, self.exact, self.ids, self.windows) = (model, exact, ids, windows)
  }

  /// Goes through all windows, with a bar on a terminal.
  ///
  /// - Throws: `ExitCode` after Ctrl-C; ``InputError`` if logits are no numbers.
  mutating func measure() throws {
    let interrupt = InterruptSignal()
    let terminal = Terminal.standardError
    defer {
      if terminal.isInteractive { terminal.eraseLine() }
      interrupt.stop()
    }
    for (index, window) in windows.enumerated() {
      try measure(window) { if interrupt.isReceived { throw InterruptSignal.exitCode } }
      guard terminal.isInteractive else { continue }
      terminal.drawBar(
        label: "Measuring", fraction: Double(index + 1) / Double(windows.count),
        details: ["  perplexity \(NumberText.fixed(perplexity.value, decimals: 4))"])
    }
  }

  private mutating func measure(_ window: TextWindow, check: () throws -> Void) throws {
    var tokens = Array(ids[window.range])
    if window.beginsAnew, let begin = model.tokenizer?.beginOfText { tokens[0] = begin }
    // The last token's logits would predict what follows the window.
    let end = tokens.count - 1
    let first = window.firstPredicted - window.range.lowerBound
    guard first <= end else { return }
    var reader = WindowReader(model, tokens)
    var exactReader = exact.map { WindowReader($0, tokens) }
    try reader.skip(to: first - 1)
    try exactReader?.skip(to: first - 1)
    while true {
      try check()
      let position = reader.position
      guard let rows = try reader.next(upTo: end) else { break }
      for (offset, row) in rows.enumerated() {
        try perplexity.add(tokens[position + offset + 1], row)
      }
      guard let exactRows = try exactReader?.next(upTo: end) else { continue }
      for (offset, (row, exactRow)) in zip(rows, exactRows).enumerated() {
        try exactPerplexity.add(tokens[position + offset + 1], exactRow)
        divergence.add(exact: exactRow, rounded: row)
      }
    }
  }

  private var activations: String { model.options.activations?.name ?? "" }

  /// A table for a person.
  var text: String {
    func number(_ value: Double) -> String { NumberText.fixed(value, decimals: 4) }
    func row(_ name: String, _ perplexity: Perplexity) -> [String] {
      [
        name, "\(number(perplexity.value)) ± \(number(perplexity.error))",
        NumberText.fixed(perplexity.losses.mean, decimals: 6),
        NumberText.grouped(perplexity.losses.count), "\(windows.count)",
      ]
    }
    let table = TextTable(
      header: ["Activations", "Perplexity", "Nll", "Tokens", "Windows"],
      rows: [row(activations, perplexity)]
        + (exact == nil ? [] : [row(ActivationMode.float.name, exactPerplexity)]))
    guard exact != nil else { return table.description }
    let mean = NumberText.printf("%.6g", divergence.divergences.mean)
    let error = NumberText.printf("%.2g", divergence.divergences.error)
    return table.description
      + "KL divergence of \(activations) from float: \(mean) ± \(error)\n"
      + "Same most likely token: \(NumberText.percent(divergence.shareOfSameTop, decimals: 2))\n"
  }

  /// JSON has no infinity.
  private static func number(_ value: Double) -> JSONValue {
    value.isFinite ? .number(value) : .null
  }

  /// One object for programs.
  var json: JSONValue {
    var members: JSONObject = [
      "model": .string(model.path), "activations": .string(activations),
      "nll": .number(perplexity.losses.mean), "nll_error": .number(perplexity.losses.error),
      "perplexity": Self.number(perplexity.value),
      "perplexity_error": Self.number(perplexity.error),
      "tokens": .integer(Int64(perplexity.losses.count)),
      "windows": .integer(Int64(windows.count)),
    ]
    if exact != nil {
      members["float_nll"] = .number(exactPerplexity.losses.mean)
      members["float_perplexity"] = Self.number(exactPerplexity.value)
      members["kl_divergence"] = .number(divergence.divergences.mean)
      members["kl_divergence_error"] = .number(divergence.divergences.error)
      members["same_top"] = .number(divergence.shareOfSameTop)
    }
    return .object(members)
  }
}
