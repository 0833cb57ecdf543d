/// Bounds on what the readers of data sets accept, so that a wrong or hostile file ends in an error
/// and not in exhausted memory.
enum DatasetLimits {
  /// The most bytes that a file may have, before and after inflation, unless the caller says
  /// otherwise: 2 GiB less one.
  static let maximumBytes = Int(Int32.max)

  /// The most classes that labels may name. A classifier has one output per class, so a stray
  /// label of a billion would otherwise ask for a layer of that size.
  static let maximumClassCount = 65_536
}
