import BitCore
import CBitLinear

extension WeightAlphabet {
  /// The codes that a caller means.
  init(_ weights: Int32, _ name: String = "weights") throws(Failure) {
    switch Int(weights) {
    case BITLINEAR_SIGN: self = .sign
    case BITLINEAR_TERNARY: self = .ternary
    default: throw .argument(name, weights, "BITLINEAR_SIGN or _TERNARY")
    }
  }
}

extension CodeLayout {
  /// The layout that a caller means.
  fileprivate init(_ layout: Int32, _ name: String = "layout") throws(Failure) {
    switch Int(layout) {
    case BITLINEAR_LAYOUT_ROWS: self = .rows
    case BITLINEAR_LAYOUT_LOOKUP: self = .lookup
    case BITLINEAR_LAYOUT_DOT: self = .dot
    default: throw .argument(name, layout, "BITLINEAR_LAYOUT_ROWS, _LOOKUP or _DOT")
    }
  }

  fileprivate var number: Int {
    switch self {
    case .rows: BITLINEAR_LAYOUT_ROWS
    case .lookup: BITLINEAR_LAYOUT_LOOKUP
    case .dot: BITLINEAR_LAYOUT_DOT
    }
  }
}

extension CodeExtents {
  fileprivate init(
    _ weights: Int32, _ out_features: Int64, _ in_features: Int64
  ) throws(Failure) {
    let alphabet = try WeightAlphabet(weights)
    let (inputs, outputs) = try features(in_features, out_features)
    self.init(rows: outputs, columns: inputs, alphabet: alphabet)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_native_layout(_ weights: Int32) -> Int32 {
  var result: Int32 = -1
  _ = status { () throws(Failure) in
    result = Int32(CodeLayout.native(try WeightAlphabet(weights)).number)
  }
  return result
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_codes_bytes(
  _ weights: Int32, _ out_features: Int64, _ in_features: Int64, _ layout: Int32
) -> Int64 {
  var result: Int64 = -1
  _ = status { () throws(Failure) in
    let extents = try CodeExtents(weights, out_features, in_features)
    result = Int64(extents.byteCount(try CodeLayout(layout)))
  }
  return result
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_convert_codes(
  _ weights: Int32, _ out_features: Int64, _ in_features: Int64, _ from: Int32,
  _ source: UnsafePointer<UInt8>?, _ to: Int32, _ target: UnsafeMutablePointer<UInt8>?
) -> Int32 {
  status { () throws(Failure) in
    let extents = try CodeExtents(weights, out_features, in_features)
    let (from, to) = (try CodeLayout(from, "from"), try CodeLayout(to, "to"))
    let (source, target) = (try required(source, "source"), try required(target, "target"))
    if from == .rows {
      try input { () throws(InputError) in try extents.check(rows: source, source: "source") }
    }
    extents.convert(source, from: from, to: to, target)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_pack_codes(
  _ recipe: UnsafePointer<bitlinear_recipe>?, _ layer: UnsafePointer<bitlinear_layer>?,
  _ codes: UnsafeMutablePointer<UInt8>?, _ scales: UnsafeMutablePointer<Float>?
) -> Int32 {
  status { () throws(Failure) in
    let latent = try BitLinearOperation(recipe, layer)
    let (codes, scales) = (try required(codes, "codes"), try required(scales, "scales"))
    let statistics = try latent.finiteStatistics()
    latent.recipe.weightQuantizer.pack(latent.weight, statistics: statistics, to: codes)
    scales.update(from: statistics.map(\.scale), count: statistics.count)
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_packed_codes(
  _ packed: OpaquePointer?, _ layout: Int32, _ codes: UnsafeMutablePointer<UInt8>?
) -> Int32 {
  status { () throws(Failure) in
    let layer = try PackedHandle.layer(packed)
    layer.matrix.copyCodes(as: try CodeLayout(layout), to: try required(codes, "codes"))
  }
}
