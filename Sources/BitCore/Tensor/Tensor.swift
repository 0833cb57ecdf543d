/// An array of float32 values with a shape, stored contiguously in row-major order.
///
/// A tensor is a value: copies share their storage until one of them is written. The storage
/// starts on a 64-byte boundary.
///
/// ```swift
/// let input = Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3])
/// input.shape        // [2, 3]
/// input[1, 2]        // 6.0
/// ```
public struct Tensor: Sendable {
  /// The extents, outermost first.
  public private(set) var shape: Shape
  private var buffer: AlignedBuffer<Float>

  /// A tensor whose values are not set yet; the caller must write every one of them.
  package init(uninitialized shape: Shape) {
    self.shape = shape
    buffer = AlignedBuffer(uninitialized: shape.scalarCount)
  }

  /// A tensor of values in somebody else's memory, which is not written to and must outlive all
  /// copies of the tensor. It need not be aligned.
  package init(borrowing values: UnsafePointer<Float>, shape: Shape) {
    self.shape = shape
    buffer = AlignedBuffer(borrowing: values, count: shape.scalarCount)
  }

  /// A tensor of `shape` made by `body`, which must write all `shape.scalarCount` values.
  package static func build<E: Error>(
    _ shape: Shape, _ body: (UnsafeMutablePointer<Float>) throws(E) -> Void
  ) throws(E) -> Tensor {
    let tensor = Tensor(uninitialized: shape)
    try tensor.buffer.withUnsafeMutablePointer(body)
    return tensor
  }

  /// A tensor of `shape` filled with one value.
  public init(repeating value: Float, shape: Shape) {
    self.shape = shape
    buffer = AlignedBuffer(repeating: value, count: shape.scalarCount)
  }

  /// A tensor of `shape` filled with zeros.
  public static func zeros(_ shape: Shape) -> Tensor { Tensor(repeating: 0, shape: shape) }

  /// A tensor of the given values in row-major order; there must be `shape.scalarCount` of them.
  public init(_ scalars: some Collection<Float>, shape: Shape) {
    precondition(
      scalars.count == shape.scalarCount,
      "a tensor of shape \(shape) has \(shape.scalarCount) values, but \(scalars.count) were given")
    self.shape = shape
    buffer = AlignedBuffer(scalars)
  }

  /// A vector of the given values.
  public init(_ scalars: [Float]) {
    self.init(scalars, shape: [scalars.count])
  }

  /// The number of values.
  public var count: Int { buffer.count }

  /// The values in row-major order.
  public var scalars: [Float] { Array(buffer.elements) }

  /// The value at a full index, `tensor[row, column]`.
  public subscript(index: Int...) -> Float {
    get { buffer.elements[offset(of: index)] }
    set {
      let offset = offset(of: index)
      withUnsafeMutablePointer { $0[offset] = newValue }
    }
  }

  private func offset(of index: [Int]) -> Int {
    precondition(
      index.count == shape.rank && zip(index, shape).allSatisfy { $0 >= 0 && $0 < $1 },
      "index \(index) is outside a tensor of shape \(shape)")
    return zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 }
  }

  /// The same values under another shape with the same count.
  public func reshaped(_ shape: Shape) -> Tensor {
    precondition(
      shape.scalarCount == count, "\(count) values of shape \(self.shape) do not fit shape \(shape)"
    )
    var result = self
    result.shape = shape
    return result
  }

  /// The value of a tensor that has exactly one.
  public func item() -> Float {
    precondition(count == 1, "a tensor of shape \(shape) has \(count) values, not one")
    return buffer.pointer[0]
  }

  /// Calls `body` with the values in row-major order, bounds-checked.
  public func withSpan<R, E: Error>(
    _ body: (Span<Float>) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(buffer) {} }
    return try body(buffer.elements.span)
  }

  /// Calls `body` with the values in row-major order.
  public func withUnsafePointer<R, E: Error>(
    _ body: (UnsafePointer<Float>) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(buffer) {} }
    return try body(UnsafePointer(buffer.pointer))
  }

  /// Calls `body` with the values in row-major order for writing, after making them this
  /// tensor's own.
  public mutating func withUnsafeMutablePointer<R, E: Error>(
    _ body: (UnsafeMutablePointer<Float>) throws(E) -> R
  ) throws(E) -> R {
    if buffer.isBorrowed || !isKnownUniquelyReferenced(&buffer) { buffer = buffer.copy() }
    return try buffer.withUnsafeMutablePointer(body)
  }

  /// The values without a copy, for a caller that keeps the tensor alive as long as it uses them.
  package var pointer: UnsafePointer<Float> { UnsafePointer(buffer.pointer) }
}

extension Tensor: Equatable {
  /// Whether shapes and all values are equal (so a NaN makes tensors differ).
  public static func == (a: Tensor, b: Tensor) -> Bool {
    a.shape == b.shape && a.buffer.elements.elementsEqual(b.buffer.elements)
  }
}

extension Tensor: CustomStringConvertible {
  /// The shape and the first values.
  public var description: String {
    let shown = buffer.elements.prefix(8).map(String.init(describing:)).joined(separator: ", ")
    return "Tensor(\(shape): [\(shown)\(count > 8 ? ", ..." : "")])"
  }
}

extension Tensor? {
  /// Calls `body` with the values in row-major order, or with nil if there is no tensor.
  func withUnsafePointer<R>(_ body: (UnsafePointer<Float>?) -> R) -> R {
    defer { withExtendedLifetime(self) {} }
    return body(self?.pointer)
  }
}
