import BitCore
import BitFiles
import BitFormats

/// What a conversion of a language model leaves behind, in words for the user.
enum ConversionWarnings {
  /// - Parameter crossing: what changes; nil for another model, and between files of one kind.
  static func warnings(
    _ source: ModelFile, _ target: ConversionTarget, _ crossing: DecoderCrossing?,
    _ type: ConversionType
  ) -> [String] {
    guard source.isGGUF != target.isGGUF else { return [] }
    guard let model = crossing?.configuration else {
      // Of single layers and of models of an unknown kind, nobody expects more.
      guard crossing == nil, let name = architecture(of: source), !isFamily(name) else { return [] }
      return [
        "the architecture \(ErrorText.quoted(name)) is not known: names of tensors, hyperparameters "
          + "and the tokenizer stay behind"
      ]
    }
    var warnings: [String] = []
    if case .safetensors = target {
      warnings.append(
        "a .safetensors file has no room for config.json and the tokenizer; a folder has")
    }
    if model.hasLatentWeights, target.isGGUF {
      warnings.append(
        "the weights are latent ones, which other programs use as floats: quantize the model first")
    }
    if type == .bitlinear, model.activations == .weightOnly {
      warnings.append(
        "the model was trained with float activations; layers of the type bitlinear have integers")
    }
    if type == .float, model.activations == .perTokenInt8,
      source.tensors.contains(where: { $0.codes != nil })
    {
      warnings.append(
        "the weights become floats: other programs will not quantize the activations beside them")
    }
    let names = unknownKeys(source, crossing?.isToGGUF == true)
    if !names.isEmpty {
      let rest = names.count > 12 ? ", ... \(names.count) in all" : ""
      warnings.append(
        "not carried: " + names.prefix(12).map(ErrorText.quoted).joined(separator: ", ") + rest)
    }
    return warnings
  }

  private static func architecture(of source: ModelFile) -> String? {
    source.ggufMetadata?.architecture ?? source.config?["model_type"]?.stringValue
  }

  /// Names that this project's own files of layers have, or that were asked to stay as they are.
  private static func isFamily(_ name: String) -> Bool {
    ["bitlinear", "llama", "mistral", "falcon3", "qwen3"].contains(name) || name.hasPrefix("bitnet")
  }

  /// The keys of a configuration that say nothing about the model that the target could say.
  private static func unknownKeys(_ source: ModelFile, _ isToGGUF: Bool) -> [String] {
    if isToGGUF {
      return (source.config?.map(\.key).filter { !known.contains($0) } ?? []) + small(source)
    }
    return source.ggufMetadata?.entries.map(\.key).filter { key in
      !knownPrefixes.contains { key.hasPrefix($0) }
    } ?? []
  }

  /// The keys of the small files beside a model that GGUF has no place for. Files that cannot be read
  /// are told of where they are used.
  private static func small(_ source: ModelFile) -> [String] {
    let files: [(name: String, known: Set<String>)] = [
      ("generation_config.json", knownOfGeneration), ("tokenizer_config.json", knownOfTokenizer),
    ]
    return files.flatMap { file in
      ((try? source.sibling(file.name)) ?? [:]).map(\.key)
        .filter { !file.known.contains($0) }.map { "\(file.name) \($0)" }
    }
  }

  private static let knownOfGeneration: Set = [
    "bos_token_id", "eos_token_id", "pad_token_id", "_from_model_config", "transformers_version",
    "do_sample",
  ]

  private static let knownOfTokenizer: Set = [
    "add_bos_token", "add_eos_token", "add_prefix_space", "added_tokens_decoder", "bos_token",
    "eos_token", "pad_token", "unk_token", "additional_special_tokens", "extra_special_tokens",
    "chat_template", "tokenizer_class", "backend", "is_local", "legacy", "name_or_path",
    "clean_up_tokenization_spaces", "model_input_names", "model_max_length",
  ]

  private static let knownPrefixes = [
    "general.architecture", "general.name", "general.type", "general.file_type",
    "general.quantization_version", "general.alignment", "tokenizer.", "bitlinear.", "split.",
    "llama.", "qwen3.", "bitnet",
  ]

  /// What is carried, what has no influence on a model that runs, and what is refused unless it has
  /// none.
  private static let known: Set = [
    "architectures", "model_type", "vocab_size", "hidden_size", "num_hidden_layers",
    "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim",
    "max_position_embeddings", "rms_norm_eps", "hidden_act", "rope_theta", "rope_scaling",
    "rope_parameters", "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id",
    "quantization_config", "attention_bias", "mlp_bias", "use_sliding_window", "sliding_window",
    "max_window_layers", "layer_types", "partial_rotary_factor", "torch_dtype", "dtype",
    "initializer_range", "use_cache", "attention_dropout", "pretraining_tp", "transformers_version",
    "auto_map", "_name_or_path", "rope_interleaved", "is_llama_config", "output_attentions",
    "output_hidden_states", "unsloth_version", "hidden_dropout", "weight_bits", "input_bits",
  ]
}
