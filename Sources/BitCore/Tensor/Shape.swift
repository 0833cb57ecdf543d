/// The extents of a tensor, outermost first, as in PyTorch: `[batch, features]`.
///
/// A shape is a collection of its extents, so `count` is the number of axes; the number of scalars
/// in a tensor of this shape is ``scalarCount``. Layers read a shape as rows of features:
/// ``features`` is the last extent and ``rows`` the product of all others, so that a layer takes any
/// number of leading axes.
public struct Shape: Hashable, Sendable, RandomAccessCollection, ExpressibleByArrayLiteral,
  CustomStringConvertible
{
  /// The extents, outermost first. A scalar has none.
  public let extents: [Int]

  /// A shape of the given extents, none of which may be negative.
  public init(_ extents: [Int]) {
    precondition(
      extents.allSatisfy { $0 >= 0 }, "a shape has no negative extents, but \(extents) does")
    self.extents = extents
  }

  /// A shape written as `[128, 10]`.
  public init(arrayLiteral elements: Int...) {
    self.init(elements)
  }

  /// Always 0.
  public var startIndex: Int { 0 }

  /// The number of axes.
  public var endIndex: Int { extents.count }

  /// The extent of one axis.
  public subscript(axis: Int) -> Int { extents[axis] }

  /// The number of axes.
  public var rank: Int { extents.count }

  /// The number of scalars: the product of all extents.
  public var scalarCount: Int { extents.reduce(1, *) }

  /// The last extent; 1 for a scalar.
  public var features: Int { extents.last ?? 1 }

  /// The product of all extents but the last.
  public var rows: Int { extents.dropLast().reduce(1, *) }

  /// The same leading extents with another last one.
  public func replacingFeatures(_ features: Int) -> Shape {
    Shape(extents.dropLast() + [features])
  }

  /// The shape as PyTorch prints it, `[128, 10]`.
  public var description: String { extents.description }
}
