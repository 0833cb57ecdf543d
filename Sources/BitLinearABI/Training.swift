import BitCore
import CBitLinear

extension BitLinearOperation {
  /// A caller's layer with latent weights, checked.
  init(
    _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
    matmul: FloatMatmul = .portable
  ) throws(Failure) {
    let recipe = try QuantizationRecipe(recipe)
    let layer = try required(layer, "layer").pointee
    let (inputs, outputs) = try features(layer.in_features, layer.out_features)
    guard layer.groups >= 1, let groups = Int(exactly: layer.groups) else {
      throw .argument("groups", layer.groups, "1 or more")
    }
    guard outputs.isMultiple(of: groups) else {
      throw .mismatch("groups", "\(groups)", "a number that divides \(outputs) output features")
    }
    try recipe.checkNormGroups(inputs)
    self.init(
      weight: try Matrix(
        "weight", layer.weight, rows: layer.out_features, columns: inputs,
        stride: layer.weight_stride
      ).tensor,
      bias: vector(layer.bias, outputs), normWeight: vector(layer.norm_weight, inputs),
      normBias: vector(layer.norm_bias, inputs), recipe: recipe, groups: groups, matmul: matmul,
      statistics: try Self.statistics(layer, groups: groups))
  }

  /// How the caller wants weights to become codes; nil if that is computed.
  private static func statistics(
    _ layer: bitlinear_layer, groups: Int
  ) throws(Failure) -> [WeightQuantizer.Statistics]? {
    switch (layer.weight_parameter, layer.weight_scale) {
    case (nil, nil): return nil
    case (let parameters?, let scales?):
      return (0..<groups).map {
        WeightQuantizer.Statistics(parameter: parameters[$0], scale: scales[$0])
      }
    case (nil, _):
      throw .argument("weight_parameter", "a null pointer beside weight_scale", "both or neither")
    case (_, nil):
      throw .argument("weight_scale", "a null pointer beside weight_parameter", "both or neither")
    }
  }

  fileprivate var inFeatures: Int { weight.shape[1] }
  fileprivate var outFeatures: Int { weight.shape[0] }
}

extension QuantizationRecipe {
  /// Checks that the groups of the norm divide the input features.
  func checkNormGroups(_ inputs: Int) throws(Failure) {
    let normGroups = normalization?.groups ?? 1
    guard inputs.isMultiple(of: normGroups) else {
      throw .mismatch(
        "norm groups", "\(normGroups)", "a number that divides \(inputs) input features")
    }
  }
}

/// Checked extents of a layer.
func features(_ inputs: Int64, _ outputs: Int64) throws(Failure) -> (Int, Int) {
  let columns = try inputFeatures(inputs)
  guard outputs >= 1, outputs <= Int.max / 8 / columns else {
    throw .argument("out_features", outputs, "1 or more, a matrix that fits into memory")
  }
  return (columns, Int(outputs))
}

/// A checked number of input features.
func inputFeatures(_ inputs: Int64) throws(Failure) -> Int {
  guard inputs >= 1, inputs <= CodeMatrix.maximumColumns else {
    throw .argument("in_features", inputs, "1 to \(CodeMatrix.maximumColumns)")
  }
  return Int(inputs)
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_forward(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
  _ x: UnsafePointer<Float>?, _ tokens: Int64, _ x_stride: Int64,
  _ y: UnsafeMutablePointer<Float>?, _ y_stride: Int64
) -> Int32 {
  status { () throws(Failure) in
    let layer = try BitLinearOperation(recipe, layer)
    let input = try Matrix("x", x, rows: tokens, columns: layer.inFeatures, stride: x_stride)
    let output = try MutableMatrix(
      "y", y, rows: tokens, columns: layer.outFeatures, stride: y_stride)
    guard input.rows > 0 else { return }
    output.fill { _ = layer.forward(input.tensor, output: .memory($0)) }
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_backward(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
  _ x: UnsafePointer<Float>?, _ tokens: Int64, _ x_stride: Int64,
  _ grad_y: UnsafePointer<Float>?, _ grad_y_stride: Int64,
  _ gradients: UnsafePointer<bitlinear_gradients>?, _ matmul: bitlinear_matmul?,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  status { () throws(Failure) in
    let layer = try BitLinearOperation(
      recipe, layer, matmul: matmul.map { FloatMatmul($0, context) } ?? .portable)
    let input = try Matrix("x", x, rows: tokens, columns: layer.inFeatures, stride: x_stride)
    let upstream = try Matrix(
      "grad_y", grad_y, rows: tokens, columns: layer.outFeatures, stride: grad_y_stride
    ).tensor
    let wanted = try required(gradients, "gradients").pointee
    let hasNorm = layer.recipe.normalization != nil
    for (name, gradient, parameter) in [
      ("norm_weight", wanted.norm_weight, layer.normWeight),
      ("norm_bias", wanted.norm_bias, layer.normBias),
    ] where gradient != nil && (parameter == nil || !hasNorm) {
      throw .argument("gradients.\(name)", "memory", "null for a layer without \(name)")
    }
    if let x = wanted.x { adviseLarge(x, bytes: 4 * input.rows * layer.inFeatures) }
    if let weight = wanted.weight { adviseLarge(weight, bytes: 4 * layer.weight.count) }
    let results = layer.reverse(
      input.tensor, upstream: upstream, context: nil,
      wanted: BitLinearOperation.Wanted(
        input: Tensor.Destination(wanted.x), weight: Tensor.Destination(wanted.weight),
        bias: wanted.bias != nil, norm: wanted.norm_weight != nil || wanted.norm_bias != nil))
    copyVector(results.bias, to: wanted.bias)
    copyVector(results.normWeight, to: wanted.norm_weight)
    copyVector(results.normBias, to: wanted.norm_bias)
  }
}

/// Asks for large pages if a caller's memory for results is large, because it is usually new.
func adviseLarge(_ memory: UnsafeMutableRawPointer, bytes: Int) {
  if bytes >= SystemMemory.largeBytes { SystemMemory.adviseLarge(memory, bytes) }
}

extension Tensor.Destination {
  /// A caller's memory for a result; null if it is not wanted.
  init(_ memory: UnsafeMutablePointer<Float>?) {
    self = memory.map { .memory($0) } ?? .none
  }
}

extension FloatMatmul {
  /// A caller's function, which is called on the caller's thread.
  fileprivate init(_ matmul: bitlinear_matmul, _ context: UnsafeMutableRawPointer?) {
    nonisolated(unsafe) let context = context
    self.init { m, n, k, a, b, c in
      matmul(
        context, Int64(m), Int64(n), Int64(k), a.values, Int64(a.stride), a.isTransposed ? 1 : 0,
        b.values, Int64(b.stride), b.isTransposed ? 1 : 0, c)
    }
  }
}
