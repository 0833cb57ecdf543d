import BitFormats
import CBitLinear
import Testing

/// Layers whose caller says how weights become codes.
@Suite struct ABIStatisticsTests {
  static let (inputs, outputs, groups, tokens) = (45, 12, 3, 4)

  /// What a layer gives: the output, the gradients of x and weight, and the codes.
  private static func results(
    _ layer: ABILayer, _ parameter: [Float]?, _ scale: [Float]?
  ) -> (floats: [[Float]], codes: [UInt8]) {
    let x = ABILayer.input(tokens, inputs)
    let upstream = ABILayer.input(tokens, outputs, seed: 10)
    var y = [Float](repeating: 0, count: tokens * outputs)
    var gradX = [Float](repeating: 0, count: tokens * inputs)
    var gradWeight = [Float](repeating: 0, count: outputs * inputs)
    var values = [Float](repeating: 0, count: outputs * inputs)
    var codes = [UInt8](repeating: 0, count: 1 << 14)
    var scales = [Float](repeating: 0, count: groups)
    with(layer, parameter, scale) { recipe, layer in
      #expect(
        bitlinear_forward(recipe, layer, x.pointer, Int64(tokens), 45, &y, 12) == 0)
      gradX.withUnsafeMutableBufferPointer { gradX in
        gradWeight.withUnsafeMutableBufferPointer { gradWeight in
          var gradients = bitlinear_gradients()
          (gradients.x, gradients.weight) = (gradX.baseAddress, gradWeight.baseAddress)
          #expect(
            bitlinear_backward(
              recipe, layer, x.pointer, Int64(tokens), 45, upstream.pointer, 12, &gradients, nil,
              nil) == 0)
        }
      }
      #expect(bitlinear_weight_values(recipe, layer, Int32(BITLINEAR_FLOAT32), &values) == 0)
      #expect(bitlinear_pack_codes(recipe, layer, &codes, &scales) == 0)
    }
    return ([y, gradX, gradWeight, values, scales], codes)
  }

  private static func with<R>(
    _ layer: ABILayer, _ parameter: [Float]?, _ scale: [Float]?,
    _ body: (UnsafePointer<bitlinear_recipe>, UnsafePointer<bitlinear_layer>) -> R
  ) -> R {
    (parameter ?? []).withUnsafeBufferPointer { parameters in
      (scale ?? []).withUnsafeBufferPointer { scales in
        layer.with(
          change: {
            $1.weight_parameter = parameter == nil ? nil : parameters.baseAddress
            $1.weight_scale = scale == nil ? nil : scales.baseAddress
          }, body)
      }
    }
  }

  @Test(arguments: [QuantizationRecipe.bitnet, .b158])
  func computedOnesGiveTheSameBits(recipe: QuantizationRecipe) {
    let layer = ABILayer(
      recipe, inputs: Self.inputs, outputs: Self.outputs, groups: Self.groups)
    let statistics = layer.operation.statistics()
    let given = Self.results(layer, statistics.map(\.parameter), statistics.map(\.scale))
    let computed = Self.results(layer, nil, nil)
    #expect(given.floats == computed.floats && given.codes == computed.codes)
    // Another scale gives other numbers and the same codes.
    let doubled = Self.results(layer, statistics.map(\.parameter), statistics.map { 2 * $0.scale })
    #expect(doubled.codes == computed.codes)
    #expect(doubled.floats[3] == computed.floats[3].map { 2 * $0 })
    #expect(doubled.floats[0] != computed.floats[0])
  }

  /// Ternary weight networks: codes by the threshold 0.7 mean|W|, and the mean magnitude of what
  /// exceeds it as the scale (arXiv 1605.04711).
  @Test func thresholdsOfTernaryWeightNetworks() {
    let layer = ABILayer(.b158, inputs: Self.inputs, outputs: Self.outputs, groups: Self.groups)
    let weight = layer.weight.scalars
    let size = weight.count / Self.groups
    var (parameters, scales, expected): ([Float], [Float], [Float]) = ([], [], [])
    for group in 0..<Self.groups {
      let values = weight[group * size..<(group + 1) * size]
      let threshold = 0.7 * values.reduce(0) { $0 + abs($1) } / Float(size)
      let large = values.map { abs($0) }.filter { $0 > threshold }
      let scale = large.reduce(0, +) / Float(large.count)
      parameters.append(0.5 / threshold)
      scales.append(scale)
      expected += values.map { abs($0) > threshold ? ($0 < 0 ? -scale : scale) : 0 }
    }
    let results = Self.results(layer, parameters, scales)
    #expect(results.floats[3] == expected)
    #expect(results.floats[4] == scales)
    // A threshold of 0.5 mean|W|, that of the recipe, gives other codes.
    #expect(results.codes != Self.results(layer, nil, nil).codes)
  }

  /// Signs by a threshold other than the mean.
  @Test func thresholdsOfSigns() {
    let layer = ABILayer(.bitnet, inputs: Self.inputs, outputs: Self.outputs, groups: Self.groups)
    let (thresholds, scales): ([Float], [Float]) = ([-0.25, 0, 0.5], [1, 2, 3])
    let size = layer.weight.count / Self.groups
    let expected = layer.weight.scalars.enumerated().map { index, weight in
      weight > thresholds[index / size] ? scales[index / size] : -scales[index / size]
    }
    #expect(Self.results(layer, thresholds, scales).floats[3] == expected)
  }

  @Test func oneWithoutTheOtherIsRefused() {
    let layer = ABILayer(.b158, inputs: Self.inputs, outputs: Self.outputs, groups: Self.groups)
    let ones = [Float](repeating: 1, count: Self.groups)
    var values = [Float](repeating: 0, count: layer.weight.count)
    func status(_ parameter: [Float]?, _ scale: [Float]?) -> (Int32, String) {
      let status = Self.with(layer, parameter, scale) {
        bitlinear_weight_values($0, $1, Int32(BITLINEAR_FLOAT32), &values)
      }
      return (status, lastError())
    }
    let invalid = Int32(BITLINEAR_INVALID_ARGUMENT)
    #expect(
      status(nil, ones) == (
        invalid,
        "weight_parameter: found a null pointer beside weight_scale, expected both or neither"
      ))
    #expect(
      status(ones, nil) == (
        invalid,
        "weight_scale: found a null pointer beside weight_parameter, expected both or neither"
      ))
    #expect(status(ones, ones).0 == 0)
  }

  /// As with computed ones, forward gives NaN and packing fails.
  @Test(arguments: [Float.nan, .infinity, -1]) func scalesThatCannotBePacked(bad: Float) {
    let layer = ABILayer(.b158, inputs: Self.inputs, outputs: Self.outputs, groups: Self.groups)
    let ones = [Float](repeating: 1, count: Self.groups)
    let x = ABILayer.input(1, Self.inputs)
    var y = [Float](repeating: 0, count: Self.outputs)
    var (codes, scales) = ([UInt8](repeating: 0, count: 1 << 14), ones)
    var packed: OpaquePointer?
    let statuses = Self.with(layer, ones, [1, bad, 1]) {
      [
        bitlinear_forward($0, $1, x.pointer, 1, 45, &y, 12),
        bitlinear_pack($0, $1, &packed), bitlinear_pack_codes($0, $1, &codes, &scales),
      ]
    }
    let notFinite = Int32(BITLINEAR_NOT_FINITE)
    #expect(statuses == [0, notFinite, notFinite])
    #expect(packed == nil)
    #expect(lastError().hasPrefix("weight: found the scale \(bad) of group 1"))
    let (others, own) = (Array(y[0..<4] + y[8...]), Array(y[4..<8]))
    #expect(others.allSatisfy { $0.isFinite })
    #expect(own.allSatisfy { $0.isFinite == bad.isFinite })
  }
}
