import BitFormats

extension ModelFile {
  /// Whether the layers and their tensors have the names of a BitNet language model.
  ///
  /// The models of 1bitLLM name themselves `BitnetForCausalLM` with the `model_type` "llama".
  var isBitNet: Bool {
    if let architecture = ggufMetadata?.architecture { return architecture.hasPrefix("bitnet") }
    if config?["model_type"]?.stringValue == "bitnet" { return true }
    let architectures = config?["architectures"]?.arrayValue?.compactMap(\.stringValue) ?? []
    return architectures.contains { $0.lowercased() == "bitnetforcausallm" }
  }
}
