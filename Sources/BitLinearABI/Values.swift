import BitCore
import CBitLinear

extension ValueMemory {
  /// A caller's memory for `count` values of a type.
  fileprivate init(
    _ type: Int32, _ values: UnsafeMutableRawPointer?, count: Int
  ) throws(Failure) {
    let size: Int
    switch Int(type) {
    case BITLINEAR_FLOAT32: size = 4
    case BITLINEAR_BFLOAT16: size = 2
    default: throw .argument("type", type, "BITLINEAR_FLOAT32 or _BFLOAT16")
    }
    let values = try required(values, "values")
    adviseLarge(values, bytes: size * count)
    self =
      size == 4
      ? .float32(values.assumingMemoryBound(to: Float.self))
      : .bfloat16(values.assumingMemoryBound(to: UInt16.self))
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_weight_values(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
  _ type: Int32, _ values: UnsafeMutableRawPointer?
) -> Int32 {
  status { () throws(Failure) in
    let layer = try BitLinearOperation(recipe, layer)
    let memory = try ValueMemory(type, values, count: layer.weight.count)
    layer.recipe.weightQuantizer.writeValues(
      layer.weight, statistics: layer.statistics(), to: memory)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_packed_values(
  _ packed: OpaquePointer?, _ type: Int32, _ values: UnsafeMutableRawPointer?
) -> Int32 {
  status { () throws(Failure) in
    let matrix = try PackedHandle.layer(packed).matrix
    matrix.writeValues(to: try ValueMemory(type, values, count: matrix.rows * matrix.columns))
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_input_values(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
  _ x: UnsafePointer<Float>?, _ tokens: Int64, _ x_stride: Int64, _ type: Int32,
  _ values: UnsafeMutableRawPointer?
) -> Int32 {
  status { () throws(Failure) in
    let recipe = try QuantizationRecipe(recipe)
    let layer = try required(layer, "layer").pointee
    let columns = try inputFeatures(layer.in_features)
    try recipe.checkNormGroups(columns)
    let input = try Matrix("x", x, rows: tokens, columns: columns, stride: x_stride)
    guard input.rows > 0 else { return }
    let memory = try ValueMemory(type, values, count: input.rows * columns)
    recipe.quantizedInput(
      input.tensor, normWeight: vector(layer.norm_weight, columns),
      normBias: vector(layer.norm_bias, columns)
    ).dequantize(to: memory)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_norm_backward(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ in_features: Int64,
  _ norm_weight: UnsafePointer<Float>?, _ norm_bias: UnsafePointer<Float>?,
  _ x: UnsafePointer<Float>?, _ tokens: Int64, _ x_stride: Int64,
  _ upstream: UnsafePointer<Float>?, _ upstream_stride: Int64,
  _ grad_x: UnsafeMutablePointer<Float>?, _ grad_norm_weight: UnsafeMutablePointer<Float>?,
  _ grad_norm_bias: UnsafeMutablePointer<Float>?
) -> Int32 {
  status { () throws(Failure) in
    let recipe = try QuantizationRecipe(recipe)
    guard let norm = recipe.normalization else {
      throw .argument("recipe.norm", "BITLINEAR_NORM_NONE", "a norm, which has gradients")
    }
    let columns = try inputFeatures(in_features)
    try recipe.checkNormGroups(columns)
    for (name, gradient, parameter) in [
      ("norm_weight", grad_norm_weight, norm_weight), ("norm_bias", grad_norm_bias, norm_bias),
    ] where gradient != nil && parameter == nil {
      throw .argument("grad_\(name)", "memory", "null without \(name)")
    }
    let input = try Matrix("x", x, rows: tokens, columns: columns, stride: x_stride)
    let gradient = try Matrix(
      "upstream", upstream, rows: tokens, columns: columns, stride: upstream_stride)
    if let grad_x { adviseLarge(grad_x, bytes: 4 * input.rows * columns) }
    let results = norm.reverse(
      input.tensor, weight: vector(norm_weight, columns), bias: vector(norm_bias, columns),
      upstream: gradient.tensor, input: Tensor.Destination(grad_x),
      wantsParameters: grad_norm_weight != nil || grad_norm_bias != nil)
    copyVector(results.weight, to: grad_norm_weight)
    copyVector(results.bias, to: grad_norm_bias)
  }
}
