import BitCore
import BitFormats
import BitLM
import BitTraining

/// A model with the time that loading took.
struct LoadedModel {
  let model: LanguageModel
  let seconds: Double

  /// Loads a model, with a progress bar on a terminal.
  init(path: String, options: LanguageModel.Options) throws(InputError) {
    let begin = ContinuousClock.now
    let file = try ModelFile(path: path, options: options.gguf)
    guard options.gguf.i2sLayout == nil || file.isGGUF else {
      throw InputError(
        .mismatch, source: "--i2s-layout", found: "\(path), which is no GGUF file",
        expected: "a GGUF file")
    }
    file.warnings.forEach(Output.warn)
    let terminal = Terminal.standardError
    var shown = -1
    defer { if shown >= 0 { terminal.eraseLine() } }
    model = try LanguageModel.load(file, options: options) { progress in
      let percent = Int(100 * progress.fraction)
      guard terminal.isInteractive, percent != shown else { return }
      shown = percent
      terminal.drawBar(label: "Loading", fraction: progress.fraction)
    }
    model.tokenizer?.definition.warnings.forEach(Output.warn)
    seconds = (ContinuousClock.now - begin).seconds
  }
}
