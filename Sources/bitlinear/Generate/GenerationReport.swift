import BitCore
import BitFiles
import BitLM
import BitTraining

/// A generated text with what it took.
struct GenerationReport {
  private let loaded: LoadedModel
  private let result: GenerationResult
  private let seed: UInt64
  private let cacheBytes: Int
  /// The most memory of the process until the text was there.
  private let peakMiB: Double
  /// Nil if no token was timed.
  private let limit: MemoryLimit?

  /// Measures the speed of memory for a moment.
  ///
  /// - Parameter cacheBytes: the memory of keys and values.
  init(_ loaded: LoadedModel, _ result: GenerationResult, seed: UInt64, cacheBytes: Int) {
    (self.loaded, self.result, self.seed) = (loaded, result, seed)
    self.cacheBytes = cacheBytes
    peakMiB = ProcessMemory.peakMiB
    limit =
      result.timedTokens > 0
      ? MemoryLimit(
        of: loaded.model, positions: result.promptTokens + result.tokens.count / 2) : nil
  }

  private var shareOfLimit: Double? {
    limit.map { result.generatedTokensPerSecond / $0.tokensPerSecond }
  }

  /// Some lines for a person.
  var text: String {
    func seconds(_ value: Double) -> String { NumberText.fixed(value, decimals: 2) + " s" }
    func speed(_ value: Double) -> String { NumberText.fixed(value, decimals: 1) + " tokens/s" }
    var generation = "Generation: \(result.tokens.count) tokens"
    if let limit, let shareOfLimit {
      generation +=
        ", \(seconds(result.generationSeconds)), \(speed(result.generatedTokensPerSecond)), "
        + "\(NumberText.percent(shareOfLimit, decimals: 0)) of the memory limit "
        + "(\(NumberText.fixed(limit.gbps, decimals: 1)) GB/s)"
    }
    if result.drafts.drafted > 0 {
      generation +=
        ", \(result.drafts.accepted) of \(result.drafts.drafted) guessed tokens accepted"
    }
    return """
      Load: \(seconds(loaded.seconds))
      Prompt: \(result.promptTokens) tokens, \(seconds(result.promptSeconds)), \
      \(speed(result.promptTokensPerSecond))
      \(generation)
      Memory: \(NumberText.fixed(peakMiB, decimals: 1)) MiB at most, \
      \(NumberText.fixed(Double(cacheBytes) / Double(1 << 20), decimals: 1)) MiB of keys and values
      Finished: \(result.finishReason.rawValue), seed \(seed)

      """
  }

  /// One object for programs.
  var json: JSONValue {
    let timings: JSONValue = [
      "load_seconds": .number(loaded.seconds), "prompt_seconds": .number(result.promptSeconds),
      "prompt_tokens_per_second": .number(result.promptTokensPerSecond),
      "generation_seconds": .number(result.generationSeconds),
      "generated_tokens_per_second": .number(result.generatedTokensPerSecond),
    ]
    let memory: JSONValue = [
      "peak_bytes": .integer(Int64(peakMiB * Double(1 << 20))),
      "cache_bytes": .integer(Int64(cacheBytes)),
      "bytes_per_token": .integer(
        Int64(limit?.bytesPerToken ?? loaded.model.bytesPerToken)),
      "read_gbps": limit.map { .number($0.gbps) } ?? .null,
      "share_of_limit": shareOfLimit.map { .number($0) } ?? .null,
    ]
    var members: JSONObject = [
      "model": .string(loaded.model.path), "text": .string(result.text),
      "ids": .array(result.ids.map { .integer(Int64($0)) }),
      "finish_reason": .string(result.finishReason.rawValue),
      "stop_string": result.stopString.map { .string($0) } ?? .null,
      "prompt_tokens": .integer(Int64(result.promptTokens)),
      "generated_tokens": .integer(Int64(result.tokens.count)), "seed": .integer(Int64(seed)),
      "activations": .string(loaded.model.options.activations?.name ?? ""),
      "timings": timings, "memory": memory,
    ]
    if result.tokens.contains(where: { $0.logProbability != nil }) {
      members["logprobs"] = .array(result.tokens.map(json))
    }
    if result.drafts.tests > 0 {
      members["drafts"] = [
        "drafted": .integer(Int64(result.drafts.drafted)),
        "accepted": .integer(Int64(result.drafts.accepted)),
      ]
    }
    return .object(members)
  }

  private func json(_ token: SampledToken) -> JSONValue {
    func object(_ id: Int32, _ logProbability: Double) -> JSONObject {
      [
        "id": .integer(Int64(id)),
        "token": .string(loaded.model.tokenizer?.decode([id]) ?? ""),
        // A token that cannot be has no finite one.
        "logprob": logProbability.isFinite ? .number(logProbability) : .null,
      ]
    }
    var members = object(token.id, token.logProbability ?? -.infinity)
    members["top"] = .array(
      token.alternatives.map { .object(object($0.id, $0.logProbability)) })
    return .object(members)
  }
}
