import BitCore
import BitFormats
import BitFiles
import TestSupport
import Testing

@testable import BitNN

/// Files of one packed layer, `a.b`, and what their reader must refuse.
enum PackedLayerSample {
  /// 4 x 10 codes, so that rows have unused bits.
  static func layer(_ weights: WeightAlphabet) -> PackedBitLinear {
    BitLinear(
      weight: random([4, 10]), bias: random([4], seed: 2), groups: 2,
      recipe: QuantizationRecipe(
        weights: weights, activations: ActivationQuantizer(), normalization: .rms())
    ).packedLayer()
  }

  static func write(_ layer: PackedBitLinear, to path: String) throws {
    try PackedLayerFile.write([("a.b", layer)], to: path)
  }

  /// Writes a file, which must be readable, changes it and expects an error that names the file,
  /// the layer and `part`.
  static func refuses(
    _ layer: PackedBitLinear, _ kind: InputError.Kind, _ part: String,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout [RawTensor], inout [String: String]) -> Void
  ) throws {
    try withFolder { folder in
      let path = "\(folder)/layer.safetensors"
      try write(layer, to: path)
      #expect(throws: Never.self, sourceLocation: sourceLocation) {
        try SafetensorsFile(path: path).packedLayer("a.b")
      }
      try edit(path, change)
      let file = try SafetensorsFile(path: path)
      expectError(kind, path, "a.b", part, sourceLocation: sourceLocation) {
        _ = try file.packedLayer("a.b")
      }
    }
  }
}

extension String {
  /// Replaces a member of the description of the only layer.
  mutating func set(_ member: String, to value: String) {
    change { $0[member] = try? JSONValue(parsing: value, source: "test") }
  }

  mutating func remove(_ member: String) { change { $0[member] = nil } }

  private mutating func change(_ body: (inout JSONObject) -> Void) {
    guard let layers = (try? JSONValue(parsing: self, source: "test"))?.objectValue,
      var members = layers["a.b"]?.objectValue
    else { preconditionFailure("no layer a.b in \(self)") }
    body(&members)
    self = JSONValue.object(["a.b": .object(members)]).encoded
  }
}
