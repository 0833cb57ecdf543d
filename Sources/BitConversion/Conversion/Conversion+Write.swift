import BitCore
import BitFiles
import BitFormats

extension Conversion {
  /// What was written.
  public struct Result: Sendable {
    /// The number of tensors in the file.
    public let tensorCount: Int
    /// The bytes of all tensors.
    public let byteCount: Int
    /// The elements that were read back and compared; nil if that was not asked for.
    public let verifiedElements: Int?
    /// The bytes of each tensor with its scales, by its name in the target.
    package let byteCounts: [String: Int]
  }

  /// Writes the result, whole or not at all.
  ///
  /// In a folder, the old `config.json` makes room before the tensors are renamed and the new one
  /// comes last: whatever interrupts that, no configuration describes tensors that are not its own.
  ///
  /// - Parameters:
  ///   - verifying: whether the result is read back before it gets its name, and every weight
  ///     compared, in its codes and values, and every other tensor. Scales that were
  ///     merged or rounded are compared with what they were to become.
  ///   - progress: is told how far writing is.
  /// - Throws: `InputError` that names the tensor that cannot be read or that differs, and
  ///   `.inputOutput` for trouble with the files; and what `progress` throws.
  @discardableResult
  public func write(
    verifying: Bool = false, progress: ConversionProgress.Handler? = nil
  ) throws -> Result {
    try ConversionMonitor.run(progress) { (monitor) throws(InputError) in
      let config = try folderConfig()
      var newFolder: String?
      if case .folder(let folder) = target {
        if try ConversionFolder.make(folder) { newFolder = folder }
        if config == nil { try ConversionFolder.checkHasNoConfiguration(folder) }
      }
      // Of a conversion that fails, nothing stays.
      defer { if let newFolder { ConversionFolder.removeIfEmpty(newFolder) } }
      var file = try PendingFile(target.file)
      let report: FileWriter.Progress = { (done, total) throws(InputError) in
        try monitor.report(.writing, done, of: total)
      }
      if case .gguf = target {
        try GGUFWriter.write(
          ggufEntries(), metadata: ggufMetadata(), into: &file, path: path, progress: report)
      } else {
        try SafetensorsWriter.write(
          safetensorsEntries(), metadata: safetensorsMetadata(), into: &file, path: target.file,
          progress: report)
      }
      let written = try reopen(file.temporary, config: config)
      let count = verifying ? try verify(written, monitor) : nil
      if case .folder(let folder) = target {
        let others = try stageFiles(in: folder, config: config)
        try ConversionFolder.replace(folder, others) { () throws(InputError) in
          try file.commit()
        }
      } else {
        try file.commit()
      }
      return Result(
        tensorCount: written.tensors.count, byteCount: written.byteCount, verifiedElements: count,
        byteCounts: Dictionary(
          written.tensors.map { ($0.name, $0.byteCount) }, uniquingKeysWith: { first, _ in first }))
    }
  }

  /// What was written, as a reader sees it.
  private func reopen(_ temporary: String, config: JSONObject?) throws(InputError) -> ModelFile {
    if case .gguf = target {
      return try ModelFile(GGUFFile(path: temporary, named: path))
    }
    return try ModelFile(SafetensorsFile(path: temporary, named: target.file), config: config)
  }

  /// The `config.json` of a folder.
  private func folderConfig() throws(InputError) -> JSONObject? {
    guard case .folder = target else { return nil }
    let hasCodes = plan.items.contains { $0.codes != nil }
    // Packed layers without a configuration could not be read.
    let start = type == .hf && hasCodes ? JSONObject() : nil
    let own = try plan.crossing?.config(source, plan.floatType)
    guard var config = source.config ?? own ?? start else { return nil }
    if type == .hf, hasCodes {
      config = try plan.quantization.written(
        into: config, source: "\(source.path), config.json")
    } else if type != .hf {
      config[HuggingFaceQuantization.key] = nil
    }
    return config
  }

  /// The small files of a folder, `config.json` last.
  private func stageFiles(
    in folder: String, config: JSONObject?
  ) throws(InputError) -> StagedFiles {
    let files = StagedFiles()
    if let other = source.folder { try ConversionFolder.copyFiles(from: other, to: folder, files) }
    if case .files(let carried) = tokenizer {
      for (name, bytes) in carried {
        try files.add("\(folder)/\(name)") { (writer) throws(InputError) in
          try writer.write(bytes)
        }
      }
    }
    if let model = plan.crossing?.configuration {
      let generation = JSONObject(generating: model)
      try files.add("\(folder)/generation_config.json", generation.text)
    }
    if let config { try files.add("\(folder)/config.json", config.text) }
    return files
  }
}

extension JSONObject {
  /// The text of a file.
  fileprivate var text: String { JSONValue.object(self).encoded + "\n" }
}
