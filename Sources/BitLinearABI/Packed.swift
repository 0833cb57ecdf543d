import BitCore
import CBitLinear

/// The object behind a handle of a packed layer.
final class PackedHandle: Sendable {
  private let made: PackedBitLinear
  /// The caller's scales, if the layer is in the caller's memory.
  private nonisolated(unsafe) let scales: UnsafePointer<Float>?

  private init(_ layer: PackedBitLinear, _ scales: UnsafePointer<Float>?) {
    (made, self.scales) = (layer, scales)
  }

  /// The layer as it is now: kernels read the scales from memory of their own, where a caller's
  /// change does not reach them.
  var layer: PackedBitLinear {
    guard let scales else { return made }
    let known = made.matrix.scales
    let current = UnsafeBufferPointer(start: scales, count: known.values.count)
    let isSame = known.values.withUnsafeBytes {
      $0.elementsEqual(UnsafeRawBufferPointer(current))
    }
    return isSame ? made : made.rescaled(known.replacingValues(Array(current)))
  }

  /// A handle, which the caller must free.
  ///
  /// - Parameter scales: where the caller has the scales, if they may change.
  static func make(
    _ layer: PackedBitLinear, scales: UnsafePointer<Float>? = nil
  ) -> OpaquePointer {
    OpaquePointer(Unmanaged.passRetained(PackedHandle(layer, scales)).toOpaque())
  }

  /// The layer of a handle.
  static func layer(_ handle: OpaquePointer?) throws(Failure) -> PackedBitLinear {
    let handle = try required(handle, "packed")
    return Unmanaged<PackedHandle>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue().layer
  }
}

extension BitLinearOperation {
  /// The statistics of the weights, which must be finite for a layer to be packed.
  func finiteStatistics() throws(Failure) -> [WeightQuantizer.Statistics] {
    let statistics = statistics()
    if let bad = statistics.firstIndex(where: { !$0.scale.isFinite || $0.scale < 0 }) {
      throw .input(
        InputError(
          .notFinite, source: "weight",
          found: "the scale \(statistics[bad].scale) of group \(bad)",
          expected: "finite weights, and scales that are not negative"))
    }
    return statistics
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_pack(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
  _ packed: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status { () throws(Failure) in
    let target = try required(packed, "packed")
    let latent = try BitLinearOperation(recipe, layer)
    let matrix = latent.recipe.weightQuantizer.quantize(
      latent.weight, statistics: try latent.finiteStatistics(),
      format: latent.recipe.weights.defaultFormat)
    target.pointee = PackedHandle.make(
      try input { () throws(InputError) in
        try PackedBitLinear(
          matrix: matrix, bias: latent.bias, recipe: latent.recipe, normWeight: latent.normWeight,
          normBias: latent.normBias)
      })
  }
}

/// What a caller says of a packed layer, apart from its codes, checked.
private struct PackedParts {
  let inputs: Int
  let outputs: Int
  let recipe: QuantizationRecipe
  let scales: WeightScales
  private let bias: Tensor?
  private let normWeight: Tensor?
  private let normBias: Tensor?
  private let borrowedScales: UnsafePointer<Float>?

  /// - Parameter borrows: whether the arrays stay where they are, or are copied.
  init(
    _ info: bitlinear_packed_info, scales: UnsafePointer<Float>?, bias: UnsafePointer<Float>?,
    normWeight: UnsafePointer<Float>?, normBias: UnsafePointer<Float>?, borrows: Bool
  ) throws(Failure) {
    recipe = try withUnsafePointer(to: info.recipe) { (recipe) throws(Failure) in
      try QuantizationRecipe(recipe)
    }
    (inputs, outputs) = try features(info.in_features, info.out_features)
    guard info.scale_count >= 1, info.scale_count <= Int64(outputs * inputs) else {
      throw .mismatch("scale_count", "\(info.scale_count)", "1 to \(outputs * inputs)")
    }
    let values = Array(
      UnsafeBufferPointer(start: try required(scales, "scales"), count: Int(info.scale_count)))
    let isBlocks = info.block_features != 0
    if let bad = values.firstIndex(where: { !$0.isFinite || (!isBlocks && $0 < 0) }) {
      throw .input(
        InputError(
          .notFinite, source: "scales", found: "the scale \(values[bad]) at \(bad)",
          expected: "finite numbers, not negative"))
    }
    self.scales =
      isBlocks ? .blocks(columns: Int(clamping: info.block_features), values) : .groups(values)
    let array = { (values: UnsafePointer<Float>?, count: Int) in
      borrows ? values.map { Tensor(borrowing: $0, shape: [count]) } : vector(values, count)
    }
    self.bias = array(bias, outputs)
    self.normWeight = array(normWeight, inputs)
    self.normBias = array(normBias, inputs)
    borrowedScales = borrows ? scales : nil
  }

  /// A handle of the layer with the given codes.
  func handle(
    _ codes: (PackedParts) throws(InputError) -> CodeMatrix
  ) throws(Failure) -> OpaquePointer {
    PackedHandle.make(
      try input { () throws(InputError) in
        try PackedBitLinear(
          matrix: try codes(self), bias: bias, recipe: recipe, normWeight: normWeight,
          normBias: normBias)
      }, scales: borrowedScales)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_packed_from_codes(
  _ info: UnsafePointer<bitlinear_packed_info>?, _ codes: UnsafePointer<UInt8>?,
  _ scales: UnsafePointer<Float>?, _ bias: UnsafePointer<Float>?,
  _ norm_weight: UnsafePointer<Float>?, _ norm_bias: UnsafePointer<Float>?,
  _ packed: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status { () throws(Failure) in
    let target = try required(packed, "packed")
    let info = try required(info, "info").pointee
    let parts = try PackedParts(
      info, scales: scales, bias: bias, normWeight: norm_weight, normBias: norm_bias,
      borrows: false)
    let rowBytes = CodeMatrix.rowBytes(columns: parts.inputs, alphabet: parts.recipe.weights)
    guard info.row_bytes == rowBytes else {
      throw .mismatch(
        "row_bytes", "\(info.row_bytes)",
        "\(rowBytes) for \(parts.inputs) \(parts.recipe.weights.rawValue) codes")
    }
    let bytes = UnsafeBufferPointer(
      start: try required(codes, "codes"), count: parts.outputs * rowBytes)
    target.pointee = try parts.handle { (parts) throws(InputError) in
      try CodeMatrix(
        packedRows: Array(bytes), rows: parts.outputs, columns: parts.inputs,
        alphabet: parts.recipe.weights, scales: parts.scales, source: "codes")
    }
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_packed_borrow(
  _ info: UnsafePointer<bitlinear_packed_info>?, _ codes: UnsafePointer<UInt8>?,
  _ scales: UnsafePointer<Float>?, _ bias: UnsafePointer<Float>?,
  _ norm_weight: UnsafePointer<Float>?, _ norm_bias: UnsafePointer<Float>?,
  _ packed: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status { () throws(Failure) in
    let target = try required(packed, "packed")
    let parts = try PackedParts(
      try required(info, "info").pointee, scales: scales, bias: bias, normWeight: norm_weight,
      normBias: norm_bias, borrows: true)
    let codes = try required(codes, "codes")
    target.pointee = try parts.handle { (parts) throws(InputError) in
      try CodeMatrix(
        borrowing: codes, rows: parts.outputs, columns: parts.inputs,
        alphabet: parts.recipe.weights, scales: parts.scales)
    }
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_packed_forward(
  _ packed: OpaquePointer?, _ x: UnsafePointer<Float>?, _ tokens: Int64, _ x_stride: Int64,
  _ y: UnsafeMutablePointer<Float>?, _ y_stride: Int64
) -> Int32 {
  status { () throws(Failure) in
    let layer = try PackedHandle.layer(packed)
    let input = try Matrix("x", x, rows: tokens, columns: layer.inFeatures, stride: x_stride)
    let output = try MutableMatrix(
      "y", y, rows: tokens, columns: layer.outFeatures, stride: y_stride)
    guard input.rows > 0 else { return }
    output.fill { _ = layer.forward(input.tensor, output: .memory($0)) }
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_packed_describe(
  _ packed: OpaquePointer?, _ info: UnsafeMutablePointer<bitlinear_packed_info>?
) -> Int32 {
  status { () throws(Failure) in
    let layer = try PackedHandle.layer(packed)
    let scales = layer.matrix.scales
    try required(info, "info").pointee = bitlinear_packed_info(
      recipe: bitlinear_recipe(layer.recipe), in_features: Int64(layer.inFeatures),
      out_features: Int64(layer.outFeatures), scale_count: Int64(scales.values.count),
      block_features: Int64(scales.blockColumns ?? 0),
      row_bytes: Int64(
        CodeMatrix.rowBytes(columns: layer.inFeatures, alphabet: layer.matrix.alphabet)),
      byte_count: Int64(layer.byteCount), has_bias: layer.bias == nil ? 0 : 1,
      has_norm_weight: layer.normWeight == nil ? 0 : 1,
      has_norm_bias: layer.normBias == nil ? 0 : 1)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_packed_read(
  _ packed: OpaquePointer?, _ codes: UnsafeMutablePointer<UInt8>?,
  _ scales: UnsafeMutablePointer<Float>?, _ bias: UnsafeMutablePointer<Float>?,
  _ norm_weight: UnsafeMutablePointer<Float>?, _ norm_bias: UnsafeMutablePointer<Float>?
) -> Int32 {
  status { () throws(Failure) in
    let layer = try PackedHandle.layer(packed)
    if let codes { layer.matrix.copyCodes(as: .rows, to: codes) }
    let values = layer.matrix.scales.values
    scales?.update(from: values, count: values.count)
    copyVector(layer.bias, to: bias)
    copyVector(layer.normWeight, to: norm_weight)
    copyVector(layer.normBias, to: norm_bias)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_packed_free(_ packed: OpaquePointer?) {
  guard let packed else { return }
  Unmanaged<PackedHandle>.fromOpaque(UnsafeRawPointer(packed)).release()
}
