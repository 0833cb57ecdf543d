import BitCore
import CBitLinear

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_absmax_quantize(
  _ x: UnsafePointer<Float>?, _ rows: Int64, _ features: Int64, _ stride: Int64, _ bits: Int32,
  _ per_token: Int32, _ block: Int32, _ codes: UnsafeMutableRawPointer?,
  _ scales: UnsafeMutablePointer<Float>?, _ dequantized: UnsafeMutablePointer<Float>?
) -> Int32 {
  status { () throws(Failure) in
    guard 2...16 ~= bits else { throw .argument("bits", bits, "2 to 16") }
    let granularity = try ActivationQuantizer.Granularity(perToken: per_token, block: block)
    guard let columns = Int(exactly: features), columns >= 0, columns <= Int.max / 8 else {
      throw .argument("features", features, "0 or more")
    }
    if columns == 0 {
      // Rows without values, like rows of zeros, have any scale.
      if let scales, rows > 0 { scales.update(repeating: 1, count: Int(rows)) }
      guard rows >= 0 else { throw .argument("rows of x", rows, "0 or more") }
      return
    }
    let matrix = try Matrix("x", x, rows: rows, columns: columns, stride: stride)
    let quantizer = ActivationQuantizer(bits: Int(bits), granularity: granularity)
    let quantized = quantizer.quantize(matrix.tensor)
    if let codes { quantized.copyCodes(to: codes) }
    if let scales {
      scales.update(from: quantized.scales, count: quantized.scales.count)
    }
    if let dequantized { quantized.dequantize(to: .float32(dequantized)) }
  }
}
