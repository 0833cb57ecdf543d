import BitFiles
import BitFormats
import CBitLinear
import Foundation
import Testing

/// The C interface gives the results of the package.
@Suite struct ABIResultTests {
  static let recipes: [QuantizationRecipe] = [
    .bitnet, .b158,
    QuantizationRecipe(
      weights: .ternary, activations: ActivationQuantizer(bits: 12), normalization: .group(2)),
    QuantizationRecipe(
      weights: .sign, activations: ActivationQuantizer(granularity: .block(32)),
      normalization: nil),
  ]

  @Test(arguments: recipes, [(1, 1), (5, 2)]) func forwardBackwardAndPackedAgree(
    recipe: QuantizationRecipe, size: (Int, Int)
  ) throws {
    let (tokens, groups) = size
    let layer = ABILayer(
      recipe, inputs: 34, outputs: 12, groups: groups,
      hasNormWeight: recipe.normalization != nil)
    let x = ABILayer.input(tokens, 34)
    let (output, context) = layer.operation.forward(x)
    let upstream = ABILayer.input(tokens, 12, seed: 10)

    var y = [Float](repeating: -1, count: tokens * 12)
    #expect(
      layer.with { bitlinear_forward($0, $1, x.pointer, Int64(tokens), 34, &y, 12) } == 0)
    #expect(y == output.scalars)

    let expected = layer.operation.reverse(upstream: upstream, context: context)
    var gx = [Float](repeating: -1, count: tokens * 34)
    var (gw, gb) = ([Float](repeating: -1, count: 12 * 34), [Float](repeating: -1, count: 12))
    var gn = [Float](repeating: -1, count: 34)
    let status = layer.with { recipe, layer in
      gx.withUnsafeMutableBufferPointer { gx in
        gw.withUnsafeMutableBufferPointer { gw in
          gb.withUnsafeMutableBufferPointer { gb in
            gn.withUnsafeMutableBufferPointer { gn in
              var gradients = bitlinear_gradients(
                x: gx.baseAddress, weight: gw.baseAddress, bias: gb.baseAddress,
                norm_weight: layer.pointee.norm_weight == nil ? nil : gn.baseAddress,
                norm_bias: nil)
              return bitlinear_backward(
                recipe, layer, x.pointer, Int64(tokens), 34, upstream.pointer, 12, &gradients, nil,
                nil)
            }
          }
        }
      }
    }
    #expect(status == 0)
    #expect(gx == expected.input.scalars)
    #expect(gw == expected.weight.scalars)
    #expect(gb == expected.bias?.scalars)
    if let gradient = expected.normWeight { #expect(gn == gradient.scalars) }

    let packed = try #require(layer.pack())
    defer { bitlinear_packed_free(packed) }
    var z = [Float](repeating: -1, count: tokens * 12)
    #expect(bitlinear_packed_forward(packed, x.pointer, Int64(tokens), 34, &z, 12) == 0)
    #expect(z == y)
  }

  /// Input and output whose rows are not contiguous.
  @Test func stridesAreFollowed() throws {
    let layer = ABILayer(.b158, inputs: 8, outputs: 4)
    let x = ABILayer.input(3, 8)
    var apart = [Float](repeating: .nan, count: 3 * 11)
    for row in 0..<3 { for column in 0..<8 { apart[row * 11 + column] = x[row, column] } }
    var y = [Float](repeating: -7, count: 3 * 6)
    #expect(layer.with { bitlinear_forward($0, $1, apart, 3, 11, &y, 6) } == 0)
    let expected = layer.operation.forward(x).output
    for row in 0..<3 {
      for column in 0..<6 {
        #expect(y[row * 6 + column] == (column < 4 ? expected[row, column] : -7))
      }
    }
  }

  @Test(arguments: [2, 8, 9, 16], [.tensor, .block(32)] as [ActivationQuantizer.Granularity])
  func quantizesAsThePackage(bits: Int, granularity: ActivationQuantizer.Granularity) {
    let x = ABILayer.input(3, 40)
    let expected = absmaxQuantize(x, bits: bits, granularity: granularity)
    let block = Int32(granularity.blockColumns ?? 0)
    var narrow = [Int8](repeating: 99, count: 120)
    var wide = [Int16](repeating: 99, count: 120)
    var scales = [Float](repeating: 0, count: block == 0 ? 3 : 6)
    var values = [Float](repeating: 0, count: 120)
    let status = narrow.withUnsafeMutableBytes { narrow in
      wide.withUnsafeMutableBytes { wide in
        bitlinear_absmax_quantize(
          x.pointer, 3, 40, 40, Int32(bits), block == 0 ? 0 : 1, block,
          (bits <= 8 ? narrow : wide).baseAddress, &scales, &values)
      }
    }
    #expect(status == 0)
    #expect((bits <= 8 ? narrow.map(Int.init) : wide.map(Int.init)) == expected.quantized.codes)
    #expect(scales == expected.quantized.scales)
    #expect(values == expected.dequantized.scalars)
  }

  @Test func partsAndFilesGiveTheSameLayer() throws {
    let layer = ABILayer(.b158, inputs: 13, outputs: 6, groups: 3, hasNormWeight: true)
    let packed = try #require(layer.pack())
    defer { bitlinear_packed_free(packed) }
    var info = bitlinear_packed_info()
    #expect(bitlinear_packed_describe(packed, &info) == 0)
    #expect(info.in_features == 13 && info.out_features == 6 && info.scale_count == 3)
    #expect(info.has_bias == 1 && info.has_norm_weight == 1 && info.has_norm_bias == 0)
    var codes = [UInt8](repeating: 0, count: 6 * Int(info.row_bytes))
    var (scales, bias) = ([Float](repeating: 0, count: 3), [Float](repeating: 0, count: 6))
    var norm = [Float](repeating: 0, count: 13)
    #expect(bitlinear_packed_read(packed, &codes, &scales, &bias, &norm, nil) == 0)
    var other: OpaquePointer?
    #expect(bitlinear_packed_from_codes(&info, codes, scales, bias, norm, nil, &other) == 0)
    defer { bitlinear_packed_free(other) }
    let x = ABILayer.input(4, 13)
    let expected = layer.operation.forward(x).output.scalars
    func output(_ packed: OpaquePointer?) -> [Float] {
      var y = [Float](repeating: 0, count: 24)
      #expect(bitlinear_packed_forward(packed, x.pointer, 4, 13, &y, 6) == 0)
      return y
    }
    #expect(output(packed) == expected)
    #expect(output(other) == expected)

    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let numbers: [Int64] = [1, 2, 3]
    let status = "a.b".withCString { name in
      "I64".withCString { dtype in
        [Int64(3)].withUnsafeBufferPointer { shape in
          numbers.withUnsafeBytes { data in
            var named = bitlinear_named_layer(name: name, layer: packed)
            var tensor = bitlinear_tensor(
              name: nil, dtype: dtype, rank: 1, shape: shape.baseAddress,
              data: data.baseAddress, byte_count: 24)
            return "steps".withCString {
              tensor.name = $0
              return bitlinear_save(path, &named, 1, &tensor, 1, "{\"k\": \"v\"}")
            }
          }
        }
      }
    }
    #expect(status == 0, "\(lastError())")
    var file: OpaquePointer?
    #expect(bitlinear_open(path, &file) == 0)
    defer { bitlinear_close(file) }
    #expect(bitlinear_file_layer_count(file) == 1 && bitlinear_file_tensor_count(file) == 1)
    var (name, read): (UnsafePointer<CChar>?, OpaquePointer?)
    #expect(bitlinear_file_layer(file, 0, &name, &read) == 0)
    defer { bitlinear_packed_free(read) }
    #expect(name.map { String(cString: $0) } == "a.b")
    #expect(output(read) == expected)
    var tensor = bitlinear_tensor()
    #expect(bitlinear_file_tensor(file, 0, &tensor) == 0)
    #expect(String(cString: tensor.name) == "steps" && tensor.byte_count == 24)
    #expect(tensor.data.loadUnaligned(fromByteOffset: 16, as: Int64.self) == 3)
    let metadata = try JSONValue(
      parsing: String(cString: bitlinear_file_metadata(file)), source: "metadata")
    #expect(metadata["k"]?.stringValue == "v")
  }

  /// Many threads at once, each with its own layer and all with a shared one.
  @Test func threadsDoNotDisturbOneAnother() throws {
    let shared = ABILayer(.b158, inputs: 64, outputs: 48)
    let packed = try #require(shared.pack())
    defer { bitlinear_packed_free(packed) }
    nonisolated(unsafe) let handle = packed
    let isWrong = NSLock()
    nonisolated(unsafe) var wrong = 0
    nonisolated(unsafe) let layer = shared
    DispatchQueue.concurrentPerform(iterations: 32) { index in
      let x = ABILayer.input(3, 64, seed: UInt64(index))
      var (y, z) = ([Float](repeating: 0, count: 144), [Float](repeating: 0, count: 144))
      let status =
        bitlinear_packed_forward(handle, x.pointer, 3, 64, &y, 48)
        + layer.with { bitlinear_forward($0, $1, x.pointer, 3, 64, &z, 48) }
      let isSame = y == layer.operation.forward(x).output.scalars && y == z
      // Each thread has its own last error.
      let failed = bitlinear_set_threads(Int32(-index))
      let text = lastError()
      isWrong.withLock {
        let isToldRight = index == 0 || text.contains("found \(-index),")
        if status != 0 || !isSame || failed == 0 || !isToldRight { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }
}
