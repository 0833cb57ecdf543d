/// What a GGUF file does not tell by itself.
public struct GGUFOptions: Sendable, Hashable {
  /// The layout of I2_S tensors; nil to go by the metadata `bitlinear.i2_s_layout`, then by the
  /// data (see ``I2SLayout``), and to take x86 where neither says otherwise.
  public var i2sLayout: I2SLayout?
  /// The elements in a block of type 42 (Q2_0), 64 or 128; nil to go by the offsets, which is an
  /// error where both fit.
  public var q2BlockLength: Int?

  /// Options for reading; see the properties.
  public init(i2sLayout: I2SLayout? = nil, q2BlockLength: Int? = nil) {
    precondition(
      q2BlockLength == nil || q2BlockLength == 64 || q2BlockLength == 128,
      "blocks of Q2_0 have 64 or 128 elements, not \(q2BlockLength ?? 0)")
    self.i2sLayout = i2sLayout
    self.q2BlockLength = q2BlockLength
  }
}
