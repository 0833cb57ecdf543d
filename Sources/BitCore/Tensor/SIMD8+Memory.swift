extension SIMD8<Float> {
  /// Eight values from memory at any alignment.
  @inline(__always)
  init(loading pointer: UnsafePointer<Float>) {
    self = UnsafeRawPointer(pointer).loadUnaligned(as: Self.self)
  }

  /// `count` values from memory, fewer than eight, followed by zeros.
  init(loading pointer: UnsafePointer<Float>, count: Int) {
    self = .zero
    for i in 0..<count { self[i] = pointer[i] }
  }

  /// Writes eight values to memory at any alignment.
  @inline(__always)
  func store(to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: Self.self)
  }
}
