import BitFormats
import CBitLinear
import Foundation
import Testing

/// Invalid arguments give a status and a message, and nothing else happens.
@Suite struct ABIArgumentTests {
  typealias Change = @Sendable (inout bitlinear_recipe, inout bitlinear_layer) -> Void

  static let changes: [(String, Int, Change)] = [
    ("recipe.weights: found 7", BITLINEAR_INVALID_ARGUMENT, { r, _ in r.weights = 7 }),
    (
      "activation bits: found 1, expected 2 to 16", BITLINEAR_INVALID_ARGUMENT,
      { r, _ in r.activation_bits = 1 }
    ),
    ("activation bits: found 17", BITLINEAR_INVALID_ARGUMENT, { r, _ in r.activation_bits = 17 }),
    ("recipe.per_token: found 2", BITLINEAR_INVALID_ARGUMENT, { r, _ in r.per_token = 2 }),
    (
      "activation block: found 48, expected 32, 64, 128 or 256, or 0 for none",
      BITLINEAR_INVALID_ARGUMENT, { r, _ in r.activation_block = 48 }
    ),
    (
      "activation block: found -32", BITLINEAR_INVALID_ARGUMENT,
      { r, _ in r.activation_block = -32 }
    ),
    (
      "activation block: found 64 without per_token", BITLINEAR_INVALID_ARGUMENT,
      { r, _ in (r.activation_block, r.per_token) = (64, 0) }
    ),
    (
      "activation epsilon: found nan", BITLINEAR_INVALID_ARGUMENT,
      { r, _ in r.activation_epsilon = .nan }
    ),
    ("recipe.norm: found -1", BITLINEAR_INVALID_ARGUMENT, { r, _ in r.norm = -1 }),
    ("norm epsilon: found -1.0", BITLINEAR_INVALID_ARGUMENT, { r, _ in r.norm_epsilon = -1 }),
    (
      "norm groups: found 0", BITLINEAR_INVALID_ARGUMENT,
      { r, _ in (r.norm, r.norm_groups) = (Int32(BITLINEAR_NORM_GROUP), 0) }
    ),
    (
      "norm groups: found 3, expected a number that divides 8 input features", BITLINEAR_MISMATCH,
      { r, _ in (r.norm, r.norm_groups) = (Int32(BITLINEAR_NORM_GROUP), 3) }
    ),
    ("groups: found 0", BITLINEAR_INVALID_ARGUMENT, { _, l in l.groups = 0 }),
    (
      "groups: found 3, expected a number that divides 4 output features", BITLINEAR_MISMATCH,
      { _, l in l.groups = 3 }
    ),
    ("in_features: found 0", BITLINEAR_INVALID_ARGUMENT, { _, l in l.in_features = 0 }),
    (
      "in_features: found 9223372036854775807", BITLINEAR_INVALID_ARGUMENT,
      { _, l in l.in_features = .max }
    ),
    ("out_features: found -1", BITLINEAR_INVALID_ARGUMENT, { _, l in l.out_features = -1 }),
    (
      "out_features: found 9223372036854775807", BITLINEAR_INVALID_ARGUMENT,
      { _, l in l.out_features = .max }
    ),
    ("weight: found a null pointer", BITLINEAR_INVALID_ARGUMENT, { _, l in l.weight = nil }),
    (
      "stride of weight: found 7, expected at least 8", BITLINEAR_MISMATCH,
      { _, l in l.weight_stride = 7 }
    ),
  ]

  @Test(arguments: changes.indices) func layersAreChecked(index: Int) {
    let (text, status, change) = Self.changes[index]
    let layer = ABILayer(.b158, inputs: 8, outputs: 4)
    let x = [Float](repeating: 1, count: 16)
    var y = [Float](repeating: 0, count: 8)
    var packed: OpaquePointer?
    var gradients = bitlinear_gradients()
    let results = layer.with(change: change) { recipe, layer in
      [
        (bitlinear_forward(recipe, layer, x, 2, 8, &y, 4), lastError()),
        (bitlinear_pack(recipe, layer, &packed), lastError()),
        (
          bitlinear_backward(recipe, layer, x, 2, 8, y, 4, &gradients, nil, nil), lastError()
        ),
      ]
    }
    for (result, message) in results {
      #expect(result == status)
      #expect(message.hasPrefix(text), "\(message)")
    }
    #expect(packed == nil)
  }

  @Test func matricesAreChecked() {
    let layer = ABILayer(.bitnet, inputs: 8, outputs: 4)
    let x = [Float](repeating: 1, count: 16)
    var y = [Float](repeating: 0, count: 8)
    func forward(
      _ x: UnsafePointer<Float>?, _ tokens: Int64, _ xStride: Int64,
      _ y: UnsafeMutablePointer<Float>?, _ yStride: Int64
    ) -> Int32 {
      layer.with { bitlinear_forward($0, $1, x, tokens, xStride, y, yStride) }
    }
    let invalid = Int32(BITLINEAR_INVALID_ARGUMENT)
    #expect(forward(nil, 2, 8, &y, 4) == invalid)
    #expect(lastError() == "x: found a null pointer, expected memory")
    #expect(forward(x, 2, 8, nil, 4) == invalid)
    #expect(forward(x, -1, 8, &y, 4) == invalid)
    #expect(forward(x, .max, 8, &y, 4) == invalid)
    #expect(forward(x, 2, 7, &y, 4) == Int32(BITLINEAR_MISMATCH))
    #expect(lastError() == "stride of x: found 7, expected at least 8, the length of a row")
    #expect(forward(x, 2, 8, &y, 3) == Int32(BITLINEAR_MISMATCH))
    #expect(forward(x, 2, .max, &y, 4) == invalid)
    #expect(forward(nil, 0, 8, nil, 4) == 0)
  }

  @Test func nullsAndNonsenseAreTold() {
    let layer = ABILayer(.b158, inputs: 8, outputs: 4)
    let x = [Float](repeating: 1, count: 8)
    var y = [Float](repeating: 0, count: 8)
    var handle: OpaquePointer?
    var (info, recipe) = (bitlinear_packed_info(), bitlinear_recipe())
    let results = layer.with { recipePointer, layer -> [Int32] in
      [
        bitlinear_forward(nil, layer, x, 1, 8, &y, 4),
        bitlinear_forward(recipePointer, nil, x, 1, 8, &y, 4),
        bitlinear_backward(recipePointer, layer, x, 1, 8, y, 4, nil, nil, nil),
        bitlinear_backward(recipePointer, layer, x, 1, 8, nil, 4, nil, nil, nil),
        bitlinear_pack(recipePointer, layer, nil), bitlinear_pack(nil, layer, &handle),
        bitlinear_packed_forward(nil, x, 1, 8, &y, 4), bitlinear_packed_describe(nil, &info),
        bitlinear_packed_read(nil, nil, nil, nil, nil, nil),
        bitlinear_packed_from_codes(nil, nil, nil, nil, nil, nil, &handle),
        bitlinear_recipe_named(nil, &recipe), bitlinear_recipe_named("b158", nil),
        bitlinear_recipe_named("b157", &recipe),
        bitlinear_absmax_quantize(nil, 1, 8, 8, 8, 0, 0, nil, nil, nil),
        bitlinear_absmax_quantize(x, 1, 8, 8, 1, 0, 0, nil, nil, nil),
        bitlinear_absmax_quantize(x, 1, 8, 8, 17, 0, 0, nil, nil, nil),
        bitlinear_absmax_quantize(x, 1, -8, 8, 8, 0, 0, nil, nil, nil),
        bitlinear_absmax_quantize(x, 1, 8, 8, 8, 3, 0, nil, nil, nil),
        bitlinear_absmax_quantize(x, 1, 8, 8, 8, 1, 8, nil, nil, nil),
        bitlinear_absmax_quantize(x, 1, 8, 8, 8, 0, 32, nil, nil, nil),
        bitlinear_open(nil, &handle), bitlinear_open("x", nil),
        bitlinear_file_layer(nil, 0, nil, nil), bitlinear_file_tensor(nil, 0, nil),
        bitlinear_save(nil, nil, 0, nil, 0, nil), bitlinear_save("x", nil, 1, nil, 0, nil),
        bitlinear_save("x", nil, -1, nil, 0, nil), bitlinear_save("x", nil, 0, nil, 0, "[1]"),
        bitlinear_save("x", nil, 0, nil, 0, "{\"a\": 1}"), bitlinear_set_threads(0),
      ]
    }
    for (index, result) in results.enumerated() {
      #expect(result == Int32(BITLINEAR_INVALID_ARGUMENT), "call \(index)")
    }
    #expect(handle == nil)
    #expect(bitlinear_open("no such file", &handle) == Int32(BITLINEAR_MISSING))
    #expect(bitlinear_save("no such folder/x", nil, 0, nil, 0, nil) == Int32(BITLINEAR_MISSING))
    #expect(bitlinear_file_layer_count(nil) == 0 && bitlinear_file_tensor_count(nil) == 0)
    #expect(bitlinear_file_metadata(nil) == nil)
    bitlinear_packed_free(nil)
    bitlinear_close(nil)
  }

  /// Rows without values take no memory.
  @Test func rowsOfNothing() {
    let x = [Float](repeating: 1, count: 1)
    var (scales, values) = ([Float](repeating: 0, count: 3), [Float](repeating: 7, count: 1))
    #expect(bitlinear_absmax_quantize(x, 3, 0, 0, 8, 1, 0, nil, &scales, &values) == 0)
    #expect(scales == [1, 1, 1] && values == [7])
    #expect(bitlinear_absmax_quantize(x, 1 << 62, 0, 0, 8, 1, 0, nil, nil, &values) == 0)
    #expect(
      bitlinear_absmax_quantize(x, -1, 0, 0, 8, 1, 0, nil, nil, nil)
        == Int32(BITLINEAR_INVALID_ARGUMENT))
  }

  @Test func codesAreChecked() throws {
    let packed = try #require(ABILayer(.b158, inputs: 8, outputs: 4, groups: 2).pack())
    defer { bitlinear_packed_free(packed) }
    var good = bitlinear_packed_info()
    #expect(bitlinear_packed_describe(packed, &good) == 0)
    var other: OpaquePointer?
    func make(
      _ codes: [UInt8] = [UInt8](repeating: 0b0101_0101, count: 8), scales: [Float] = [1, 2],
      _ change: (inout bitlinear_packed_info) -> Void
    ) -> (Int32, String) {
      var info = good
      change(&info)
      let status = bitlinear_packed_from_codes(&info, codes, scales, nil, nil, nil, &other)
      return (status, lastError())
    }
    let cases: [(found: (status: Int32, text: String), expected: Int)] = [
      (make { $0.row_bytes = 3 }, BITLINEAR_MISMATCH),
      (make { $0.scale_count = 0 }, BITLINEAR_MISMATCH),
      (make { $0.scale_count = .max }, BITLINEAR_MISMATCH),
      (make(scales: [1, .nan]) { _ in }, BITLINEAR_NOT_FINITE),
      (make([UInt8](repeating: 255, count: 8)) { _ in }, BITLINEAR_MALFORMED),
      (make { $0.block_features = 63 }, BITLINEAR_UNSUPPORTED),
      (make { $0.block_features = -1 }, BITLINEAR_UNSUPPORTED),
      (make { $0.recipe.weights = 5 }, BITLINEAR_INVALID_ARGUMENT),
    ]
    for (found, expected) in cases { #expect(found.status == Int32(expected), "\(found)") }
    #expect(cases[0].found.text == "row_bytes: found 3, expected 2 for 8 ternary codes")
    #expect(other == nil)
    let made = make { _ in }
    #expect(made.0 == 0)
    bitlinear_packed_free(other)
  }

  /// The recipes of the interface cannot express these.
  @Test func filesOfOtherCodeRangesAreRefused() throws {
    var recipe = QuantizationRecipe.b158
    recipe.activations = ActivationQuantizer(range: .full)
    let matrix = try CodeMatrix(
      codes: [1, 0, -1, 1], rows: 2, columns: 2, alphabet: .ternary, groupScales: [1])
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try PackedLayerFile.write(
      [("a", PackedBitLinear(matrix: matrix, recipe: recipe))], to: path)
    var (file, packed): (OpaquePointer?, OpaquePointer?)
    #expect(bitlinear_open(path, &file) == 0)
    defer { bitlinear_close(file) }
    var name: UnsafePointer<CChar>?
    #expect(bitlinear_file_layer(file, 0, &name, &packed) == Int32(BITLINEAR_UNSUPPORTED))
    #expect(lastError().contains("layer a: found activation codes of the full range"))
  }

  /// A row that is not finite does not disturb the others; weights that are not finite cannot be
  /// packed.
  @Test func numbersThatAreNone() {
    let layer = ABILayer(.b158, inputs: 8, outputs: 4)
    var x = [Float](repeating: 1, count: 24)
    x[9] = .infinity
    var y = [Float](repeating: 0, count: 12)
    #expect(layer.with { bitlinear_forward($0, $1, x, 3, 8, &y, 4) } == 0)
    #expect(y[0..<4].allSatisfy(\.isFinite) && y[8...].allSatisfy(\.isFinite))
    let isSpoiled = y[4..<8].allSatisfy(\.isNaN)
    #expect(isSpoiled)
    var packed: OpaquePointer?
    let weight = [Float](repeating: .nan, count: 32)
    let status = weight.withUnsafeBufferPointer { weight in
      layer.with(change: { $1.weight = weight.baseAddress }) { bitlinear_pack($0, $1, &packed) }
    }
    #expect(status == Int32(BITLINEAR_NOT_FINITE) && packed == nil)
  }
}
