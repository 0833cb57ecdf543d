import BitCore

/// Samples of equal shape, each with the number of its class.
///
/// It holds at least one sample, and every label is in 0..<``classCount``. Bytes stay bytes - 47 MB
/// for 60,000 images of 28 x 28 rather than 188 MB - until ``inputs(_:standardization:)`` makes a
/// batch of float32 of them.
public struct LabeledDataset: Sendable {
  /// The raw values of all samples, one sample after the other.
  enum Samples: Sendable {
    case bytes([UInt8])
    case floats([Float])

    var count: Int {
      switch self {
      case .bytes(let values): values.count
      case .floats(let values): values.count
      }
    }
  }

  /// What messages call it: the file with its samples.
  public let name: String
  /// The shape of one sample: `[28, 28]` for an image, `[features]` for a row of a table.
  public let sampleShape: Shape
  /// The class of each sample, in 0..<``classCount``.
  public let labels: [Int32]
  /// The number of classes.
  public let classCount: Int
  /// The number of values in a sample.
  public let featureCount: Int
  /// The names of the values in a sample, if the file had any.
  let featureNames: [String]?
  let samples: Samples

  /// The number of samples, at least 1.
  public var count: Int { labels.count }

  /// A data set of bytes.
  ///
  /// - Parameters:
  ///   - name: what messages call it.
  ///   - bytes: the values, `labels.count * sampleShape.scalarCount` of them.
  ///   - sampleShape: the shape of one sample.
  ///   - labels: the class of each sample.
  ///   - classCount: the number of classes; nil for the largest label + 1.
  ///   - labelSource: the file of the labels, for errors; nil for `name`.
  /// - Throws: `InputError` for an empty set, a number of values that does not fit the number of
  ///   labels, or a label outside the classes.
  public init(
    name: String, bytes: [UInt8], sampleShape: Shape, labels: [Int32], classCount: Int? = nil,
    labelSource: String? = nil
  ) throws(InputError) {
    try self.init(
      name: name, checking: .bytes(bytes), sampleShape: sampleShape, labels: labels,
      classCount: classCount, labelSource: labelSource)
  }

  /// A data set of float32 values, which must be finite; otherwise as
  /// ``init(name:bytes:sampleShape:labels:classCount:labelSource:)``.
  public init(
    name: String, values: [Float], sampleShape: Shape, labels: [Int32], classCount: Int? = nil,
    labelSource: String? = nil
  ) throws(InputError) {
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw InputError(
        .notFinite, source: name, found: "\(values[index]) at value \(index)",
        expected: "finite numbers")
    }
    try self.init(
      name: name, checking: .floats(values), sampleShape: sampleShape, labels: labels,
      classCount: classCount, labelSource: labelSource)
  }

  /// Checks everything except whether float values are finite.
  init(
    name: String, checking samples: Samples, sampleShape: Shape, labels: [Int32],
    classCount: Int?, labelSource: String?, featureNames: [String]? = nil
  ) throws(InputError) {
    let features = sampleShape.scalarCount
    guard features > 0, !labels.isEmpty, samples.count > 0 else {
      throw InputError(
        .malformed, source: name,
        found: "\(samples.count) values of sample shape \(sampleShape) and \(labels.count) labels",
        expected: "at least one sample")
    }
    // Dividing cannot overflow, as multiplying might.
    guard samples.count % features == 0, samples.count / features == labels.count else {
      throw InputError(
        .mismatch, source: labelSource ?? name,
        found: "\(labels.count) labels",
        expected: "one for each of the \(samples.count / features) samples of \(name)")
    }
    let limit = classCount ?? DatasetLimits.maximumClassCount
    if let index = labels.firstIndex(where: { $0 < 0 || Int($0) >= limit }) {
      throw InputError(
        .mismatch, source: labelSource ?? name, found: "label \(labels[index]) at index \(index)",
        expected: "labels in 0..<\(limit)")
    }
    self.init(
      name: name, unchecked: samples, sampleShape: sampleShape, labels: labels,
      classCount: classCount ?? labels.reduce(0) { max($0, Int($1) + 1) },
      featureNames: featureNames)
  }

  private init(
    name: String, unchecked samples: Samples, sampleShape: Shape, labels: [Int32], classCount: Int,
    featureNames: [String]?
  ) {
    self.name = name
    self.samples = samples
    self.sampleShape = sampleShape
    self.labels = labels
    self.classCount = classCount
    self.featureNames = featureNames
    featureCount = sampleShape.scalarCount
  }

  /// The samples at `indices`, in that order, as a data set with the same classes.
  ///
  /// There must be at least one index, and all must be in 0..<``count``.
  public func selecting(_ indices: some Collection<Int>) -> LabeledDataset {
    precondition(!indices.isEmpty, "a data set needs at least one sample")
    check(indices)
    let chosen: Samples =
      switch samples {
      case .bytes(let values): .bytes(rows(of: values, indices))
      case .floats(let values): .floats(rows(of: values, indices))
      }
    return LabeledDataset(
      name: name, unchecked: chosen, sampleShape: sampleShape,
      labels: indices.map { labels[$0] }, classCount: classCount, featureNames: featureNames)
  }

  /// The first `length` samples, or all if there are fewer; `length` must be at least 1.
  public func prefix(_ length: Int) -> LabeledDataset {
    length >= count ? self : selecting(0..<length)
  }

  func check(_ indices: some Collection<Int>) {
    precondition(
      indices.allSatisfy { labels.indices.contains($0) },
      "an index is outside the \(count) samples of \(name)")
  }

  private func rows<T: BitwiseCopyable>(of values: [T], _ indices: some Collection<Int>) -> [T] {
    var result: [T] = []
    result.reserveCapacity(indices.count * featureCount)
    for index in indices {
      result.append(contentsOf: values[(index * featureCount)..<((index + 1) * featureCount)])
    }
    return result
  }
}
