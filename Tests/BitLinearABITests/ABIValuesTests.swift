import BitFormats
import CBitLinear
import Testing

/// The numbers that codes stand for, for callers with their own products of floats.
@Suite struct ABIValuesTests {
  /// What `body` writes as both types, which must agree, as floats.
  private static func values(
    _ count: Int, _ body: (Int32, UnsafeMutableRawPointer) -> Int32
  ) -> [Float] {
    var floats = [Float](repeating: 77, count: count)
    var halves = [UInt16](repeating: 77, count: count)
    #expect(floats.withUnsafeMutableBytes { body(Int32(BITLINEAR_FLOAT32), $0.baseAddress!) } == 0)
    #expect(
      halves.withUnsafeMutableBytes { body(Int32(BITLINEAR_BFLOAT16), $0.baseAddress!) } == 0)
    #expect(halves == floats.map(HalfPrecision.bf16))
    return floats
  }

  /// `a` times `b` as bitlinear_backward multiplies them, transposed where `transposed` says so.
  private static func product(
    _ a: [Float], _ b: [Float], _ m: Int, _ n: Int, _ k: Int, transposesA: Bool
  ) -> [Float] {
    FloatMatmul.portable(
      Tensor(a, shape: transposesA ? [k, m] : [m, k]), Tensor(b, shape: [k, n]),
      transposeA: transposesA
    ).scalars
  }

  /// Backward from values and the gradients of the norm has the bits of bitlinear_backward.
  @Test(arguments: ABIResultTests.recipes) func backwardByTheCaller(
    recipe: QuantizationRecipe
  ) throws {
    let (tokens, inputs, outputs) = (5, 34, 12)
    let layer = ABILayer(
      recipe, inputs: inputs, outputs: outputs, groups: 3,
      hasNormWeight: recipe.normalization != nil)
    let x = ABILayer.input(tokens, inputs)
    let upstream = ABILayer.input(tokens, outputs, seed: 10)
    let (_, context) = layer.operation.forward(x)
    let expected = layer.operation.reverse(upstream: upstream, context: context)
    layer.with { recipe, layer in
      let weight = Self.values(outputs * inputs) {
        bitlinear_weight_values(recipe, layer, $0, $1)
      }
      // Neither weights nor the other extents are needed for the input.
      var inputOnly = bitlinear_layer()
      inputOnly.in_features = Int64(inputs)
      inputOnly.norm_weight = layer.pointee.norm_weight
      let input = Self.values(tokens * inputs) {
        bitlinear_input_values(
          recipe, &inputOnly, x.pointer, Int64(tokens), Int64(inputs), $0, $1)
      }
      #expect(
        Self.product(upstream.scalars, input, outputs, inputs, tokens, transposesA: true)
          == expected.weight.scalars)
      let productInput = Self.product(
        upstream.scalars, weight, tokens, inputs, outputs, transposesA: false)
      guard recipe.pointee.norm != Int32(BITLINEAR_NORM_NONE) else {
        #expect(productInput == expected.input.scalars)
        return
      }
      var gradX = [Float](repeating: 77, count: tokens * inputs)
      var gradNorm = [Float](repeating: 77, count: inputs)
      #expect(
        bitlinear_norm_backward(
          recipe, Int64(inputs), layer.pointee.norm_weight, nil, x.pointer, Int64(tokens),
          Int64(inputs), productInput, Int64(inputs), &gradX, &gradNorm, nil) == 0)
      #expect(gradX == expected.input.scalars)
      #expect(gradNorm == expected.normWeight?.scalars)
    }
  }

  @Test(arguments: [QuantizationRecipe.bitnet, .b158], [0, 64, 128, 256])
  func valuesOfPackedLayers(recipe: QuantizationRecipe, block: Int) throws {
    let (inputs, outputs) = (301, 67)
    let layer = ABILayer(recipe, inputs: inputs, outputs: outputs)
    let packed = try #require(layer.pack())
    defer { bitlinear_packed_free(packed) }
    let weights = layer.with { recipe, layer in
      Self.values(outputs * inputs) { bitlinear_weight_values(recipe, layer, $0, $1) }
    }
    let all = Int64(outputs)
    #expect(
      Self.values(outputs * inputs) { bitlinear_packed_values(packed, 0, all, $0, $1) } == weights)
    for rows in [0..<64, 64..<67, 0..<3, 64..<64] {
      let part = Self.values(rows.count * inputs) {
        bitlinear_packed_values(packed, Int64(rows.lowerBound), Int64(rows.count), $0, $1)
      }
      #expect(part == Array(weights[rows.lowerBound * inputs..<rows.upperBound * inputs]))
    }

    var info = bitlinear_packed_info()
    #expect(bitlinear_packed_describe(packed, &info) == 0)
    var codes = [UInt8](repeating: 0, count: outputs * Int(info.row_bytes))
    var scale = Float(0)
    #expect(bitlinear_packed_read(packed, &codes, &scale, nil, nil, nil) == 0)
    let length = block == 0 ? inputs : block
    let perRow = (inputs + length - 1) / length
    let scales = (0..<outputs * perRow).map { Float($0) / 7 }
    (info.scale_count, info.block_features) = (Int64(scales.count), Int64(block))
    var other: OpaquePointer?
    #expect(bitlinear_packed_from_codes(&info, codes, scales, nil, nil, nil, &other) == 0)
    defer { bitlinear_packed_free(other) }
    let expected = weights.indices.map {
      (weights[$0] / scale) * scales[$0 / inputs * perRow + $0 % inputs / length]
    }
    #expect(
      Self.values(outputs * inputs) { bitlinear_packed_values(other, 0, all, $0, $1) } == expected)
  }

  /// Rows that are apart, and a row that is not finite.
  @Test func inputsWithStrides() {
    let layer = ABILayer(.b158, inputs: 8, outputs: 4)
    var apart = [Float](repeating: .nan, count: 3 * 11)
    for row in 0..<3 { for column in 0..<8 { apart[row * 11 + column] = Float(row * column - 5) } }
    apart[11 + 3] = .infinity
    let values = layer.with { recipe, layer in
      Self.values(24) { bitlinear_input_values(recipe, layer, apart, 3, 11, $0, $1) }
        .map { $0.isNaN ? 1234 : $0 }
    }
    #expect(values[8..<16].allSatisfy { $0 == 1234 })
    let finite = Tensor((0..<8).map { Float(2 * $0 - 5) }, shape: [1, 8])
    let recipe = QuantizationRecipe.b158
    let expected = recipe.quantizedInput(finite, normWeight: nil, normBias: nil).dequantized()
    #expect(Array(values[16...]) == expected.scalars)
  }

  /// All gradients of a LayerNorm, with rows that are apart, and each of them alone.
  @Test func gradientsOfTheNorm() throws {
    let (tokens, inputs) = (3, 20)
    let norm = Normalization.layer(epsilon: 1e-3)
    let layer = ABILayer(
      QuantizationRecipe(
        weights: .ternary, activations: ActivationQuantizer(), normalization: norm),
      inputs: inputs, outputs: 1)
    let vectors = ABILayer.input(2, inputs, seed: 4).scalars
    let (weight, bias) = (Array(vectors[..<inputs]), Array(vectors[inputs...]))
    let x = ABILayer.input(tokens, inputs)
    let upstream = ABILayer.input(tokens, inputs, seed: 10)
    let expected = norm.reverse(
      x, weight: Tensor(weight), bias: Tensor(bias), upstream: upstream)
    var (xApart, upstreamApart) = ([Float](), [Float]())
    for row in 0..<tokens {
      let range = row * inputs..<(row + 1) * inputs
      xApart += x.scalars[range] + [.nan]
      upstreamApart += upstream.scalars[range] + [.nan, .nan]
    }
    for wanted in [
      [true, true, true], [true, false, false], [false, true, false], [false, false, true],
    ] {
      var gradX = [Float](repeating: 77, count: tokens * inputs)
      var (gradWeight, gradBias) = (
        [Float](repeating: 77, count: inputs), [Float](repeating: 77, count: inputs)
      )
      let status = gradX.withUnsafeMutableBufferPointer { gradX in
        gradWeight.withUnsafeMutableBufferPointer { gradWeight in
          gradBias.withUnsafeMutableBufferPointer { gradBias in
            layer.with { recipe, _ in
              bitlinear_norm_backward(
                recipe, Int64(inputs), weight, bias, xApart, Int64(tokens), Int64(inputs + 1),
                upstreamApart, Int64(inputs + 2), wanted[0] ? gradX.baseAddress : nil,
                wanted[1] ? gradWeight.baseAddress : nil, wanted[2] ? gradBias.baseAddress : nil)
            }
          }
        }
      }
      #expect(status == 0)
      for (index, (found, expected)) in [
        (gradX, expected.input), (gradWeight, try #require(expected.weight)),
        (gradBias, try #require(expected.bias)),
      ].enumerated() {
        #expect(
          found == (wanted[index] ? expected.scalars : found.map { _ in 77 }), "\(index), \(wanted)"
        )
      }
    }
  }

  @Test func badArgumentsAreTold() throws {
    let layer = ABILayer(.b158, inputs: 8, outputs: 4)
    let packed = try #require(layer.pack())
    defer { bitlinear_packed_free(packed) }
    let float32 = Int32(BITLINEAR_FLOAT32)
    let x = [Float](repeating: 1, count: 32)
    var y = [Float](repeating: 77, count: 32)
    typealias Call = (
      UnsafePointer<bitlinear_recipe>, UnsafePointer<bitlinear_layer>, UnsafeMutablePointer<Float>
    ) -> Int32
    let invalid = BITLINEAR_INVALID_ARGUMENT
    func expect(_ text: String, _ status: Int = invalid, _ call: Call) {
      let found = layer.with { recipe, layer in
        y.withUnsafeMutableBufferPointer { call(recipe, layer, $0.baseAddress!) }
      }
      #expect(found == Int32(status), "\(text)")
      #expect(lastError().hasPrefix(text), "\(lastError())")
    }
    expect("type: found 2, expected BITLINEAR_FLOAT32 or _BFLOAT16") { recipe, layer, y in
      bitlinear_weight_values(recipe, layer, 2, y)
    }
    expect("type: found -1") { _, _, y in
      bitlinear_packed_values(packed, 0, 4, -1, y)
    }
    expect("type: found 9") { recipe, layer, y in
      bitlinear_input_values(recipe, layer, x, 1, 8, 9, y)
    }
    expect("values: found a null") { recipe, layer, _ in
      bitlinear_weight_values(recipe, layer, float32, nil)
    }
    expect("values: found a null") { _, _, _ in
      bitlinear_packed_values(packed, 0, 4, 0, nil)
    }
    expect("values: found a null") { recipe, layer, _ in
      bitlinear_input_values(recipe, layer, x, 1, 8, 0, nil)
    }
    expect("packed: found a null") { _, _, y in
      bitlinear_packed_values(nil, 0, 4, float32, y)
    }
    for first: Int64 in [-64, 1, 5, 64] {
      expect("first_row: found \(first), expected a multiple of 64, up to 4") { _, _, y in
        bitlinear_packed_values(packed, first, 1, float32, y)
      }
    }
    for count: Int64 in [-1, 5] {
      expect("row_count: found \(count), expected 0 to 4") { _, _, y in
        bitlinear_packed_values(packed, 0, count, float32, y)
      }
    }
    expect("recipe: found a null") { _, layer, y in
      bitlinear_input_values(nil, layer, x, 1, 8, 0, y)
    }
    expect("layer: found a null") { recipe, _, y in
      bitlinear_input_values(recipe, nil, x, 1, 8, 0, y)
    }
    expect("x: found a null") { recipe, layer, y in
      bitlinear_input_values(recipe, layer, nil, 1, 8, 0, y)
    }
    expect("rows of x: found -1") { recipe, layer, y in
      bitlinear_input_values(recipe, layer, x, -1, 8, 0, y)
    }
    expect("stride of x: found 7", BITLINEAR_MISMATCH) { recipe, layer, y in
      bitlinear_input_values(recipe, layer, x, 2, 7, 0, y)
    }
    expect("in_features: found 0") { recipe, _, y in
      bitlinear_norm_backward(recipe, 0, nil, nil, x, 1, 8, x, 8, y, nil, nil)
    }
    expect("grad_norm_weight: found memory, expected null without norm_weight") { recipe, _, y in
      bitlinear_norm_backward(recipe, 8, nil, nil, x, 1, 8, x, 8, nil, y, nil)
    }
    expect("grad_norm_bias: found memory, expected null without norm_bias") { recipe, _, y in
      bitlinear_norm_backward(recipe, 8, x, nil, x, 1, 8, x, 8, nil, nil, y)
    }
    expect("upstream: found a null") { recipe, _, y in
      bitlinear_norm_backward(recipe, 8, nil, nil, x, 1, 8, nil, 8, y, nil, nil)
    }
    expect("stride of upstream: found 5", BITLINEAR_MISMATCH) { recipe, _, y in
      bitlinear_norm_backward(recipe, 8, nil, nil, x, 2, 8, x, 5, y, nil, nil)
    }
    #expect(y.allSatisfy { $0 == 77 })
    // No rows need no memory.
    #expect(layer.with { bitlinear_input_values($0, $1, nil, 0, 8, 0, nil) } == 0)

    let plain = ABILayer(.bitnet, inputs: 8, outputs: 4)
    let status = plain.with { recipe, _ in
      bitlinear_norm_backward(recipe, 8, nil, nil, x, 1, 8, x, 8, &y, nil, nil)
    }
    #expect(status == Int32(invalid))
    #expect(
      lastError() == "recipe.norm: found BITLINEAR_NORM_NONE, expected a norm, which has gradients")
  }
}
