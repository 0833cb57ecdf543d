/// Quantizes a tensor to integers by its largest magnitude, and dequantizes it again.
///
///     Q = 2^(bits-1) - 1,  s = Q / max|x|,  q = clamp(round(x * s), -Q, Q),  dequantized = q / s
///
/// Rounding is half to even. All zeros give zeros. A row of the last axis that holds a NaN or an
/// infinity has codes 0 and dequantizes to NaN, and does not disturb other rows.
/// (BitNet, arXiv 2310.11453, equations 4 and 5.)
///
/// - Parameters:
///   - x: a tensor of any shape, also an empty one.
///   - bits: 2...16; codes are Int8 up to 8 bits and Int16 above.
///   - granularity: one scale for the whole tensor, for each row of the last axis, or for each block
///     of 32, 64, 128 or 256 columns of a row.
/// - Returns: the integers with their scales, and the dequantized tensor of the shape of `x`.
public func absmaxQuantize(
  _ x: Tensor, bits: Int = 8, granularity: ActivationQuantizer.Granularity = .tensor
) -> (quantized: QuantizedTensor, dequantized: Tensor) {
  let quantized = ActivationQuantizer(bits: bits, granularity: granularity).quantize(x)
  return (quantized, quantized.dequantized())
}
