/// The largest sizes of a model that are taken for true: far above those of real models, and small
/// enough that no product of two of them overflows.
enum DecoderLimits {
  static let vocabulary = 1...(1 << 24)
  static let hidden = 1...(1 << 20)
  static let layers = 1...(1 << 12)
  static let intermediate = 1...(1 << 22)
  static let heads = 1...(1 << 12)
  static let headLength = 2...(1 << 12)
  static let context = 1...(1 << 30)
  static let epsilon: ClosedRange<Float> = 0...1
  static let theta: ClosedRange<Float> = 1.001...1e15
  static let factor: ClosedRange<Float> = 1e-6...1e6
}
