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
  _ packed: OpaquePointer?, _ first_row: Int64, _ row_count: Int64, _ type: Int32,
  _ values: UnsafeMutableRawPointer?
) -> Int32 {
  status { () throws(Failure) in
    let matrix = try PackedHandle.layer(packed).matrix
    guard let first = Int(exactly: first_row), (0...matrix.rows).contains(first),
      first.isMultiple(of: CodeMatrix.stripRows)
    else {
      throw .argument(
        "first_row", first_row, "a multiple of \(CodeMatrix.stripRows), up to \(matrix.rows)")
    }
    guard let count = Int(exactly: row_count), (0...matrix.rows - first).contains(count) else {
      throw .argument("row_count", row_count, "0 to \(matrix.rows - first)")
    }
    guard count > 0 else { return }
    matrix.writeValues(
      ofRows: first..<first + count,
      to: try ValueMemory(type, values, count: count * matrix.columns))
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_checksum(
  _ data: UnsafeRawPointer?, _ rows: Int64, _ row_bytes: Int64, _ stride: Int64,
  _ checksum: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  status { () throws(Failure) in
    let target = try required(checksum, "checksum")
    guard let count = Int(exactly: rows), count >= 0 else {
      throw .argument("rows", rows, "0 or more")
    }
    guard let length = Int(exactly: row_bytes), length >= 0 else {
      throw .argument("row_bytes", row_bytes, "0 or more")
    }
    guard let stride = Int(exactly: stride), count <= 1 || stride >= length else {
      throw .mismatch("stride", "\(stride)", "at least \(length), the length of a row")
    }
    let isEmpty = count == 0 || length == 0
    target.pointee =
      isEmpty
      ? 0 : Checksum.of(try required(data, "data"), rows: count, rowBytes: length, stride: stride)
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
