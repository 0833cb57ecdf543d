import BitCore
import BitFormats
import BitFiles

extension Conversion {
  /// Writes the result, whole or not at all; see ``AtomicFile``. Of a folder, the file of the
  /// tensors is written last.
  ///
  /// - Parameter progress: is told how far writing is; what it throws ends it.
  /// - Throws: ``InputError`` that names the tensor that the target cannot hold or that cannot be
  ///   read, and `.inputOutput` for trouble with the files. What `progress` throws.
  public func write(progress: ConversionProgress.Handler? = nil) throws {
    try ConversionProgress.withHandler(progress) { (handler) throws(InputError) in
      try write(handler)
    }
  }

  private func write(_ progress: ConversionMonitor.Handler?) throws(InputError) {
    switch target {
    case .gguf(let path):
      let entries = try ggufEntries(ConversionMonitor(step: .writing, total: 0, handler: nil))
      var total = 0
      for entry in entries {
        total += try entry.type.byteCount(of: entry.shape, source: path) ?? 0
      }
      let monitor = ConversionMonitor(step: .writing, total: total, handler: progress)
      try GGUFWriter.write(try ggufEntries(monitor), metadata: ggufMetadata(), to: path)
    case .safetensors, .folder:
      let plan = try safetensors(ConversionMonitor(step: .writing, total: 0, handler: nil))
      var total = 0
      for entry in plan.entries {
        total += try entry.dtype.byteCount(of: entry.shape, source: target.file)
      }
      let monitor = ConversionMonitor(step: .writing, total: total, handler: progress)
      if case .folder(let folder) = target {
        try ConversionFolder.make(folder)
        // First, because packed weights cannot be read without their configuration.
        try writeOtherFiles(to: folder)
      }
      try SafetensorsWriter.write(
        try safetensors(monitor).entries, metadata: plan.metadata, to: target.file)
    }
  }

  private func writeOtherFiles(to folder: String) throws(InputError) {
    let hasCodes = items.contains { $0.codes != nil }
    // Packed layers without a configuration could not be read.
    let start = type == .hf && hasCodes ? JSONObject() : nil
    if var config = source.config ?? BitNetMetadata.config(of: source) ?? start {
      if type == .hf, hasCodes {
        config = try quantization.written(into: config, source: "\(source.path), config.json")
      } else if type == .bitlinear {
        config[HuggingFaceQuantization.key] = nil
      }
      try AtomicFile.write(
        JSONValue.object(config).encoded + "\n", to: "\(folder)/config.json")
    }
    if let other = source.folder { try ConversionFolder.copyFiles(from: other, to: folder) }
  }
}

extension ModelTensor.Place {
  /// Writes the bytes of the tensor as they are.
  func copy(
    to writer: inout FileWriter, _ monitor: ConversionMonitor
  ) throws(InputError) {
    for start in stride(from: 0, to: byteCount, by: Self.pieceBytes) {
      let range = start..<min(start + Self.pieceBytes, byteCount)
      try withBytes(range) { (bytes) throws(InputError) in try writer.write(bytes) }
      releasePages(range)
      try monitor.report(writer.count)
    }
  }
}
