import BitCore
import BitFiles
import BitFormats

/// The conversion of a model from one format to another.
///
/// ```swift
/// let source = try ModelFile(path: "bitnet-b1.58-2B-4T")
/// let conversion = try Conversion(source, to: "model.gguf")
/// try conversion.write(verifying: true)
/// ```
///
/// Codes and scales are taken as they are; nothing is quantized again. Tensors are streamed, so
/// that the memory that is needed does not grow with the model.
public struct Conversion: Sendable {
  /// What is read.
  public let source: ModelFile
  /// The path as given.
  public let path: String
  /// What is done, and how.
  public let options: ConversionOptions
  /// What the target does not have though the source has it, in words for the user.
  public let warnings: [String]
  let target: ConversionTarget
  let plan: ConversionPlan
  /// The tokenizer in the words of the target, if it has to change them.
  let tokenizer: CarriedTokenizer?

  /// How weights of codes are stored.
  public var type: ConversionType { plan.type }
  /// Why weights are stored so, in words for the user: "because tq2_0 cannot hold it: ...".
  public var reason: String { plan.reason }

  /// Decides how every tensor is stored, and checks what can be checked without a file.
  ///
  /// - Parameters:
  ///   - source: what is read.
  ///   - path: a file that ends in `.safetensors` or `.gguf`, or a folder, which receives
  ///     `model.safetensors`, `config.json` and the small other files of the source.
  ///   - options: what may be done.
  ///   - progress: is told how far reading is.
  /// - Throws: `InputError` that names the tensor that the target cannot hold; of kind `.mismatch`
  ///   if the target is the source, under whatever name; and what `progress` throws.
  public init(
    _ source: ModelFile, to path: String, options: ConversionOptions = ConversionOptions(),
    progress: ConversionProgress.Handler? = nil
  ) throws {
    (self.source, self.path, self.options) = (source, path, options)
    let target = try ConversionTarget(path: path)
    self.target = target
    try Self.checkIsOther(target, source, path)
    let plan = try ConversionMonitor.run(progress) { (monitor) throws(InputError) in
      try ConversionPlan(source, target, options, monitor)
    }
    self.plan = plan
    var warnings = ConversionWarnings.warnings(source, target, plan.crossing, plan.type)
    tokenizer = Self.tokenizer(source, target, plan, &warnings)
    self.warnings = warnings
  }

  /// The tokenizer; without one that can be carried the weights are still of use.
  private static func tokenizer(
    _ source: ModelFile, _ target: ConversionTarget, _ plan: ConversionPlan,
    _ warnings: inout [String]
  ) -> CarriedTokenizer? {
    guard let crossing = plan.crossing, let model = crossing.configuration else { return nil }
    if case .safetensors = target { return nil }
    do throws(InputError) {
      if let carried = try CarriedTokenizer(
        source, model, isToGGUF: crossing.isToGGUF, warnings: &warnings)
      {
        return carried
      }
      warnings.append("no tokenizer comes with the model")
    } catch {
      warnings.append("the tokenizer is not carried: \(error)")
    }
    return nil
  }

  /// What is read must not be replaced: float weights would be gone for good.
  private static func checkIsOther(
    _ target: ConversionTarget, _ source: ModelFile, _ path: String
  ) throws(InputError) {
    if case .folder(let folder) = target, let own = source.folder,
      FileSystem.areSame(folder, own)
    {
      throw InputError(
        .mismatch, source: path, found: "the folder that is read", expected: "another folder")
    }
    guard !source.files.contains(where: { FileSystem.areSame(target.file, $0) }) else {
      throw InputError(
        .mismatch, source: path, found: "a file that is read", expected: "another name")
    }
  }

  /// The name in the target of a tensor of the source; the same if it has no such tensor.
  public func name(of name: String) -> String {
    plan.items.first { $0.tensor.name == name }?.name ?? name
  }
}
