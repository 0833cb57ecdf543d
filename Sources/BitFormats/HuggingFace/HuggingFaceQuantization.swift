import BitCore
import BitFiles

/// The `quantization_config` of a Hugging Face `config.json` with `quant_method` "bitnet".
///
/// Keys and defaults are those of `BitNetQuantConfig` in transformers 5.
package struct HuggingFaceQuantization: Sendable, Equatable {
  /// What a linear layer becomes, which also says what its `weight_scale` means.
  package enum LinearClass: String, Sendable, CaseIterable {
    /// Packed weights; the output is divided by `weight_scale` (1 / mean|W|).
    case bitlinear
    /// Packed or float weights; the output is multiplied with `weight_scale` (mean|W|), and so is
    /// the bias.
    case autobitlinear
  }

  /// When weights become ternary.
  package enum Mode: String, Sendable, CaseIterable {
    /// They are ternary in the file.
    case offline
    /// The file has latent weights, which are quantized on every use.
    case online
  }

  /// What a linear layer becomes.
  package var linearClass: LinearClass
  /// When weights become ternary.
  package var mode: Mode
  /// The modules that stay ordinary linear layers; nil leaves the choice (the head) to the reader.
  package var modulesToNotConvert: [String]?
  /// Whether each layer begins with an RMSNorm, whose weight is `rms_norm.weight`.
  package var usesRMSNorm: Bool
  /// The epsilon of that RMSNorm.
  package var rmsNormEpsilon: Double

  /// A configuration of the given values, or the defaults.
  package init(
    linearClass: LinearClass = .bitlinear, mode: Mode = .offline,
    modulesToNotConvert: [String]? = nil, usesRMSNorm: Bool = false, rmsNormEpsilon: Double = 1e-6
  ) {
    self.linearClass = linearClass
    self.mode = mode
    self.modulesToNotConvert = modulesToNotConvert
    self.usesRMSNorm = usesRMSNorm
    self.rmsNormEpsilon = rmsNormEpsilon
  }

  /// What the `weight_scale` of a layer does.
  package var scaleConvention: HuggingFaceScale.Convention {
    linearClass == .autobitlinear ? .multiplies : .divides
  }

  /// How layers quantize: ternary weights, 8-bit activations for each token, an RMSNorm if asked.
  package var recipe: QuantizationRecipe {
    var recipe = QuantizationRecipe.b158
    recipe.normalization = usesRMSNorm ? .rms(epsilon: Float(rmsNormEpsilon)) : nil
    return recipe
  }

  package static let key = "quantization_config"

  /// Reads the `quantization_config` of a `config.json`; nil if it has none or null.
  ///
  /// Keys that are absent have their defaults; keys that are not known are left alone.
  ///
  /// - Parameters:
  ///   - config: the object that the file holds.
  ///   - source: the name for errors.
  /// - Throws: ``InputError``: `.malformed` for a value of a wrong kind, or a `linear_class` or
  ///   unknown `quantization_mode`; `.unsupported` for another `quant_method`.
  package init?(config: JSONObject, source: String) throws(InputError) {
    guard let value = config[Self.key], value != .null else { return nil }
    let place = "\(source), \(Self.key)"
    guard let members = value.objectValue else {
      throw InputError(
        .malformed, source: place, found: value.kindName, expected: "an object")
    }
    func read<T>(
      _ key: String, or fallback: T, _ expected: @autoclosure () -> String,
      _ convert: (JSONValue) -> T?
    ) throws(InputError) -> T {
      guard let member = members[key] else { return fallback }
      guard let result = convert(member) else {
        throw InputError(
          .malformed, source: place, found: "\(key) \(ErrorText.short(member))",
          expected: expected())
      }
      return result
    }
    let method = try read("quant_method", or: "bitnet", "a string", \.stringValue)
    guard method == "bitnet" else {
      throw InputError(
        .unsupported, source: place, found: "quant_method \(ErrorText.quoted(method))",
        expected: #""bitnet""#)
    }
    self.init(
      linearClass: try read("linear_class", or: .bitlinear, choice(LinearClass.self)) {
        $0.stringValue.flatMap(LinearClass.init(rawValue:))
      },
      mode: try read("quantization_mode", or: .offline, choice(Mode.self)) {
        $0.stringValue.flatMap(Mode.init(rawValue:))
      },
      modulesToNotConvert: try read(Self.modulesKey, or: nil, "a list of strings or null") {
        if $0 == .null { return .some(nil) }
        guard let elements = $0.arrayValue else { return nil }
        let names = elements.compactMap(\.stringValue)
        return names.count == elements.count ? .some(names) : nil
      },
      usesRMSNorm: try read("use_rms_norm", or: false, "true or false", \.boolValue),
      rmsNormEpsilon: try read("rms_norm_eps", or: 1e-6, "a number from 0, finite as a float32") {
        $0.doubleValue.flatMap { $0 >= 0 && Float($0).isFinite ? $0 : nil }
      })
  }

  /// Reads the text under ``ModelFile/quantizationKey`` of a file's metadata; nil if there is
  /// none. Throws as ``init(config:source:)`` does.
  package init?(metadata: [String: String], source: String) throws(InputError) {
    guard let text = metadata[ModelFile.quantizationKey] else { return nil }
    let source = "\(source), metadata \(ModelFile.quantizationKey)"
    try self.init(config: [Self.key: JSONValue(parsing: text, source: source)], source: source)
  }

  private static let modulesKey = "modules_to_not_convert"

  /// The same `config.json` with this as its `quantization_config`; all other members, and members
  /// of `quantization_config` that are not known, stay as they are and where they are.
  ///
  /// - Parameters:
  ///   - config: the object that the file holds.
  ///   - source: the name for errors.
  /// - Throws: ``InputError`` of kind `.malformed` if there is a `quantization_config` that is
  ///   neither an object nor null.
  package func written(into config: JSONObject, source: String) throws(InputError) -> JSONObject {
    var config = config
    var members = JSONObject()
    if let old = config[Self.key], old != .null {
      guard let object = old.objectValue else {
        throw InputError(
          .malformed, source: "\(source), \(Self.key)", found: old.kindName, expected: "an object")
      }
      members = object
    }
    members["quant_method"] = "bitnet"
    members["linear_class"] = .string(linearClass.rawValue)
    members["quantization_mode"] = .string(mode.rawValue)
    // What has its default is written only where it stood before.
    func set(_ key: String, _ value: JSONValue, isDefault: Bool) {
      if !isDefault || members[key] != nil { members[key] = value }
    }
    set(
      Self.modulesKey, modulesToNotConvert.map { .array($0.map(JSONValue.string)) } ?? .null,
      isDefault: modulesToNotConvert == nil)
    set("use_rms_norm", .bool(usesRMSNorm), isDefault: !usesRMSNorm)
    set("rms_norm_eps", .number(rmsNormEpsilon), isDefault: rmsNormEpsilon == 1e-6)
    config[Self.key] = .object(members)
    return config
  }
}

/// The names that a value may have, for an error.
private func choice<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> String {
  Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
}
