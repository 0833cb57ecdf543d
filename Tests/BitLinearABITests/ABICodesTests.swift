import BitFormats
import CBitLinear
import Foundation
import Testing

/// Codes in a caller's memory: their layouts, packing into it, and layers over it.
@Suite struct ABICodesTests {
  static let recipes: [QuantizationRecipe] = [.bitnet, .b158]
  static let layouts = [BITLINEAR_LAYOUT_ROWS, BITLINEAR_LAYOUT_LOOKUP, BITLINEAR_LAYOUT_DOT]

  @Test func layoutsAndSizes() {
    for weights in [BITLINEAR_SIGN, BITLINEAR_TERNARY] {
      let native = bitlinear_native_layout(Int32(weights))
      #expect([BITLINEAR_LAYOUT_LOOKUP, BITLINEAR_LAYOUT_DOT].contains(Int(native)))
      let bytes = Self.layouts.map { bitlinear_codes_bytes(Int32(weights), 70, 33, Int32($0)) }
      // Two strips: of 9 or 5 steps, or of four panels of 3 or 2 steps.
      let expected: [Int64] =
        weights == BITLINEAR_SIGN
        ? [70 * 5, 2 * 64 * 5, 8 * 64 * 2] : [70 * 9, 2 * 64 * 9, 8 * 64 * 3]
      #expect(bytes == expected)
    }
  }

  /// The handle that every part of the interface agrees about.
  @Test(arguments: recipes, [(1, 1, 1), (34, 12, 3), (129, 70, 2), (64, 64, 1)])
  func packedCodesAreThoseOfTheHandle(
    recipe: QuantizationRecipe, size: (Int, Int, Int)
  ) throws {
    let (inputs, outputs, groups) = size
    let layer = ABILayer(recipe, inputs: inputs, outputs: outputs, groups: groups)
    let weights = layer.recipe.weights
    let packed = try #require(layer.pack())
    defer { bitlinear_packed_free(packed) }
    func memory(_ layout: Int) -> [UInt8] {
      let bytes = bitlinear_codes_bytes(weights, Int64(outputs), Int64(inputs), Int32(layout))
      return [UInt8](repeating: 0xa5, count: Int(bytes))
    }
    func convert(_ from: Int, _ source: [UInt8], _ to: Int) -> [UInt8] {
      var target = memory(to)
      #expect(
        bitlinear_convert_codes(
          weights, Int64(outputs), Int64(inputs), Int32(from), source, Int32(to), &target) == 0)
      return target
    }

    var rows = memory(BITLINEAR_LAYOUT_ROWS)
    #expect(bitlinear_packed_read(packed, &rows, nil, nil, nil, nil) == 0)
    let native = Int(bitlinear_native_layout(weights))
    var codes = memory(native)
    var scales = [Float](repeating: 0, count: groups)
    #expect(layer.with { bitlinear_pack_codes($0, $1, &codes, &scales) } == 0)
    #expect(scales == layer.operation.statistics().map(\.scale))
    #expect(convert(native, codes, BITLINEAR_LAYOUT_ROWS) == rows)

    for from in Self.layouts {
      let source = convert(BITLINEAR_LAYOUT_ROWS, rows, from)
      var copied = memory(from)
      #expect(bitlinear_packed_codes(packed, Int32(from), &copied) == 0)
      #expect(convert(from, copied, BITLINEAR_LAYOUT_ROWS) == rows)
      for to in Self.layouts {
        let target = convert(from, source, to)
        #expect(convert(to, target, BITLINEAR_LAYOUT_ROWS) == rows)
      }
    }
  }

  @Test(arguments: recipes, [0, 64, 128, 256]) func borrowedLayersGiveTheSame(
    recipe: QuantizationRecipe, block: Int
  ) throws {
    let (inputs, outputs, tokens) = (300, 70, 3)
    let layer = ABILayer(
      recipe, inputs: inputs, outputs: outputs, groups: 2, hasNormWeight: true)
    let weights = layer.recipe.weights
    let scaleCount = block == 0 ? 2 : outputs * ((inputs + block - 1) / block)
    let scales = (0..<scaleCount).map { 0.25 + Float($0 % 13) }
    let packed = try #require(layer.pack())
    defer { bitlinear_packed_free(packed) }
    var info = bitlinear_packed_info()
    #expect(bitlinear_packed_describe(packed, &info) == 0)
    (info.scale_count, info.block_features) = (Int64(scaleCount), Int64(block))
    var rows = [UInt8](repeating: 0, count: outputs * Int(info.row_bytes))
    #expect(bitlinear_packed_read(packed, &rows, nil, nil, nil, nil) == 0)
    let (bias, norm) = (layer.bias?.pointer, layer.normWeight?.pointer)
    var copied: OpaquePointer?
    #expect(bitlinear_packed_from_codes(&info, rows, scales, bias, norm, nil, &copied) == 0)
    defer { bitlinear_packed_free(copied) }

    let native = bitlinear_native_layout(weights)
    let bytes = Int(bitlinear_codes_bytes(weights, Int64(outputs), Int64(inputs), native))
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 64)
    defer { memory.deallocate() }
    let x = ABILayer.input(tokens, inputs)
    let expected = Self.outputs(copied, x, outputs)
    #expect(Set(expected).count > 100)
    // What is borrowed must stay where it is, which arrays need not.
    let borrowedScales = FloatMemory(scales)
    defer { withExtendedLifetime((borrowedScales, layer)) {} }
    for offset in [0, 1] {
      let codes = (memory + offset).assumingMemoryBound(to: UInt8.self)
      #expect(bitlinear_packed_codes(packed, native, codes) == 0)
      info.row_bytes = -1
      var borrowed: OpaquePointer?
      #expect(
        bitlinear_packed_borrow(
          &info, codes, borrowedScales.values, bias, norm, nil, &borrowed) == 0,
        "\(lastError())")
      defer { bitlinear_packed_free(borrowed) }
      #expect(Self.outputs(borrowed, x, outputs) == expected)
      let (saved, expectedFile) = (try Self.saved(borrowed), try Self.saved(copied))
      #expect(saved == expectedFile)

      var (first, second) = (bitlinear_packed_info(), bitlinear_packed_info())
      #expect(bitlinear_packed_describe(borrowed, &first) == 0)
      #expect(bitlinear_packed_describe(copied, &second) == 0)
      #expect(first.byte_count == second.byte_count && first.row_bytes == second.row_bytes)
      #expect(first.scale_count == Int64(scaleCount) && first.has_norm_weight == 1)
      var read = [UInt8](repeating: 0, count: rows.count)
      #expect(bitlinear_packed_read(borrowed, &read, nil, nil, nil, nil) == 0)
      #expect(read == rows)

      // The codes are the caller's, not a copy: with them the output changes.
      codes.update(repeating: 0, count: bytes)
      #expect(Self.outputs(borrowed, x, outputs) != expected)
    }
  }

  /// Borrowed codes are not checked: those that do not exist give other numbers, and no crash.
  @Test func codesThatDoNotExistDoNoHarm() throws {
    let (inputs, outputs) = (300, 70)
    let layer = ABILayer(.b158, inputs: inputs, outputs: outputs)
    let packed = try #require(layer.pack())
    defer { bitlinear_packed_free(packed) }
    var info = bitlinear_packed_info()
    #expect(bitlinear_packed_describe(packed, &info) == 0)
    let native = bitlinear_native_layout(layer.recipe.weights)
    let bytes = Int(bitlinear_codes_bytes(layer.recipe.weights, 70, 300, native))
    // Memory of exactly this size, so that AddressSanitizer sees reads beyond it.
    let codes = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes)
    defer { codes.deallocate() }
    codes.initialize(repeating: 0xff, count: bytes)
    let scale = FloatMemory([1])
    defer { withExtendedLifetime(scale) {} }
    var borrowed: OpaquePointer?
    #expect(bitlinear_packed_borrow(&info, codes, scale.values, nil, nil, nil, &borrowed) == 0)
    defer { bitlinear_packed_free(borrowed) }
    for tokens in [1, 7, 90] {
      let y = Self.outputs(borrowed, ABILayer.input(tokens, inputs), outputs)
      #expect(y.allSatisfy { $0.isFinite })
    }
    var values = [Float](repeating: 0, count: inputs * outputs)
    let all = Int64(outputs)
    #expect(bitlinear_packed_values(borrowed, 0, all, Int32(BITLINEAR_FLOAT32), &values) == 0)
    #expect(values.allSatisfy { $0.isFinite })
  }

  private static func outputs(_ packed: OpaquePointer?, _ x: Tensor, _ count: Int) -> [Float] {
    let (tokens, inputs) = (x.shape[0], Int64(x.shape[1]))
    var y = [Float](repeating: .nan, count: tokens * count)
    #expect(
      bitlinear_packed_forward(packed, x.pointer, Int64(tokens), inputs, &y, Int64(count)) == 0)
    return y
  }

  private static func saved(_ packed: OpaquePointer?) throws -> Data {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let status = "a".withCString { name in
      var named = bitlinear_named_layer(name: name, layer: packed)
      return bitlinear_save(path, &named, 1, nil, 0, nil)
    }
    #expect(status == 0, "\(lastError())")
    return try Data(contentsOf: URL(fileURLWithPath: path))
  }

  @Test func badArgumentsAreTold() throws {
    let (sign, ternary) = (Int32(BITLINEAR_SIGN), Int32(BITLINEAR_TERNARY))
    let (rows, lookup) = (Int32(BITLINEAR_LAYOUT_ROWS), Int32(BITLINEAR_LAYOUT_LOOKUP))
    #expect(bitlinear_native_layout(2) < 0)
    #expect(lastError() == "weights: found 2, expected BITLINEAR_SIGN or _TERNARY")
    let sizes: [(Int64, String)] = [
      (bitlinear_codes_bytes(-1, 4, 8, rows), "weights: found -1"),
      (bitlinear_codes_bytes(sign, 0, 8, rows), "out_features: found 0"),
      (bitlinear_codes_bytes(sign, .max, 8, lookup), "out_features: found 9223372036854775807"),
      (bitlinear_codes_bytes(sign, 4, 1 << 23 + 1, rows), "in_features: found 16777216"),
    ]
    for (index, (bytes, _)) in sizes.enumerated() { #expect(bytes < 0, "\(index)") }
    #expect(bitlinear_codes_bytes(sign, 4, 8, 3) < 0)
    #expect(
      lastError() == "layout: found 3, expected BITLINEAR_LAYOUT_ROWS, _LOOKUP or _DOT")
    #expect(bitlinear_codes_bytes(sign, .max / 8, 1, lookup) > 0)

    var target = [UInt8](repeating: 0, count: 64 * 8)
    func convert(_ source: [UInt8], _ from: Int32, _ to: Int32) -> (Int32, String) {
      let status = bitlinear_convert_codes(ternary, 2, 5, from, source, to, &target)
      return (status, lastError())
    }
    let cases: [((Int32, String), Int, String)] = [
      (
        convert([0, 0, 0b1100, 0], rows, lookup), BITLINEAR_MALFORMED,
        "source: found code 3 in row 1, column 1, expected codes 0, 1, 2"
      ),
      (
        convert([0, 0, 0, 4], rows, rows), BITLINEAR_MALFORMED,
        "source: found code 1 in row 1, column 5, expected zero bits after 5 columns"
      ),
      (
        convert([0, 0, 0, 0], 7, rows), BITLINEAR_INVALID_ARGUMENT,
        "from: found 7, expected BITLINEAR_LAYOUT_ROWS, _LOOKUP or _DOT"
      ),
      (
        convert([0, 0, 0, 0], rows, -1), BITLINEAR_INVALID_ARGUMENT,
        "to: found -1, expected BITLINEAR_LAYOUT_ROWS, _LOOKUP or _DOT"
      ),
    ]
    for (found, status, text) in cases {
      #expect(found.0 == Int32(status) && found.1 == text, "\(found)")
    }
    let invalid = Int32(BITLINEAR_INVALID_ARGUMENT)
    #expect(bitlinear_convert_codes(ternary, 2, 5, rows, nil, lookup, &target) == invalid)
    #expect(bitlinear_convert_codes(ternary, 2, 5, rows, target, lookup, nil) == invalid)

    let layer = ABILayer(.b158, inputs: 8, outputs: 4)
    let packed = try #require(layer.pack())
    defer { bitlinear_packed_free(packed) }
    var scale = Float(0)
    #expect(layer.with { bitlinear_pack_codes($0, $1, nil, &scale) } == invalid)
    #expect(layer.with { bitlinear_pack_codes($0, $1, &target, nil) } == invalid)
    #expect(bitlinear_packed_codes(nil, rows, &target) == invalid)
    #expect(bitlinear_packed_codes(packed, rows, nil) == invalid)
    #expect(bitlinear_packed_codes(packed, 3, &target) == invalid)
    var (info, other) = (bitlinear_packed_info(), nil as OpaquePointer?)
    #expect(bitlinear_packed_describe(packed, &info) == 0)
    #expect(bitlinear_packed_borrow(nil, target, [1], nil, nil, nil, &other) == invalid)
    #expect(bitlinear_packed_borrow(&info, nil, [1], nil, nil, nil, &other) == invalid)
    #expect(bitlinear_packed_borrow(&info, target, nil, nil, nil, nil, &other) == invalid)
    #expect(bitlinear_packed_borrow(&info, target, [1], nil, nil, nil, nil) == invalid)
    #expect(
      bitlinear_packed_borrow(&info, target, [.nan], nil, nil, nil, &other)
        == Int32(BITLINEAR_NOT_FINITE))
    info.block_features = 96
    #expect(
      bitlinear_packed_borrow(&info, target, [1], nil, nil, nil, &other)
        == Int32(BITLINEAR_UNSUPPORTED))
    #expect(other == nil)
  }

  /// Nothing is written when weights cannot be packed.
  @Test func weightsThatAreNotFiniteAreNotPacked() {
    let layer = ABILayer(.b158, inputs: 8, outputs: 4)
    let weight = [Float](repeating: .infinity, count: 32)
    var (codes, scale) = ([UInt8](repeating: 7, count: 512), Float(7))
    let status = weight.withUnsafeBufferPointer { weight in
      layer.with(change: { $1.weight = weight.baseAddress }) {
        bitlinear_pack_codes($0, $1, &codes, &scale)
      }
    }
    #expect(status == Int32(BITLINEAR_NOT_FINITE))
    #expect(lastError().hasPrefix("weight: found the scale inf of group 0"), "\(lastError())")
    #expect(codes.allSatisfy { $0 == 7 } && scale == 7)
  }
}

/// Floats that stay in one place.
private final class FloatMemory {
  let values: UnsafeMutablePointer<Float>

  init(_ values: [Float]) {
    self.values = .allocate(capacity: values.count)
    self.values.initialize(from: values, count: values.count)
  }

  deinit { values.deallocate() }
}
