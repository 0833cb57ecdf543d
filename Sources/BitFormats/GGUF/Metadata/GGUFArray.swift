import BitCore
import BitFiles

/// An array in a GGUF file's metadata. Arrays of arrays are not read, as in ggml.
///
/// An array of a file is not copied: its elements are read when they are asked for, from the file,
/// which stays open as long as the array is there. Opening has checked them.
///
/// ```swift
/// let tokens = file.metadata["tokenizer.ggml.tokens"]?.arrayValue
/// print(tokens?.count ?? 0, tokens?.first?.stringValue ?? "")
/// ```
///
/// Arrays are equal if their types and the bytes of their elements are.
public struct GGUFArray: Sendable, RandomAccessCollection {
  /// Strings from one known place to the next: what finding a string goes through at most.
  private static let stride = 16

  let elementKind: GGUFValueKind
  /// The number of elements.
  public let count: Int
  private let storage: ByteSource
  /// The elements in the storage, as they are in a file.
  private let range: Range<Int>
  /// Where every ``stride``th string starts in the range; nothing for other types.
  private let places: [Int]

  /// The array that starts at the cursor's place, whose type and number of elements are known.
  init(
    _ kind: GGUFValueKind, count: Int, _ cursor: inout GGUFCursor, storage: ByteSource
  ) throws(InputError) {
    let start = cursor.place
    var places: [Int] = []
    switch kind {
    case .string, .array:
      places.reserveCapacity(Swift.min(count, cursor.remaining / kind.minimumBytes) / Self.stride)
      for index in 0..<count {
        if index.isMultiple(of: Self.stride) { places.append(cursor.place - start) }
        _ = try cursor.text("a string", limit: GGUFLimits.stringBytes)
      }
    case .bool:
      let values = try cursor.bytes(count, "array elements")
      if let bad = values.first(where: { $0 > 1 }) { throw cursor.truthError(bad) }
    default: _ = try cursor.bytes(count * kind.minimumBytes, "array elements")
    }
    (elementKind, self.count, self.storage, self.places) = (kind, count, storage, places)
    range = start..<cursor.place
  }

  private init<Element>(
    _ kind: GGUFValueKind, _ values: [Element], _ element: (Element) -> GGUFValue
  ) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(values.count * kind.minimumBytes)
    var places: [Int] = []
    for (index, value) in values.enumerated() {
      if kind == .string, index.isMultiple(of: Self.stride) { places.append(bytes.count) }
      element(value).append(to: &bytes)
    }
    (elementKind, count, self.places) = (kind, values.count, places)
    (storage, range) = (.bytes(bytes), 0..<bytes.count)
  }

  /// An array of bytes.
  public static func uint8(_ values: [UInt8]) -> Self { Self(.uint8, values) { .uint8($0) } }
  /// An array of signed bytes.
  public static func int8(_ values: [Int8]) -> Self { Self(.int8, values) { .int8($0) } }
  /// An array of unsigned 16-bit integers.
  public static func uint16(_ values: [UInt16]) -> Self { Self(.uint16, values) { .uint16($0) } }
  /// An array of 16-bit integers.
  public static func int16(_ values: [Int16]) -> Self { Self(.int16, values) { .int16($0) } }
  /// An array of unsigned 32-bit integers.
  public static func uint32(_ values: [UInt32]) -> Self { Self(.uint32, values) { .uint32($0) } }
  /// An array of 32-bit integers.
  public static func int32(_ values: [Int32]) -> Self { Self(.int32, values) { .int32($0) } }
  /// An array of unsigned 64-bit integers.
  public static func uint64(_ values: [UInt64]) -> Self { Self(.uint64, values) { .uint64($0) } }
  /// An array of 64-bit integers.
  public static func int64(_ values: [Int64]) -> Self { Self(.int64, values) { .int64($0) } }
  /// An array of 32-bit floats.
  public static func float32(_ values: [Float]) -> Self { Self(.float32, values) { .float32($0) } }
  /// An array of 64-bit floats.
  public static func float64(_ values: [Double]) -> Self { Self(.float64, values) { .float64($0) } }
  /// An array of truth values.
  public static func bool(_ values: [Bool]) -> Self { Self(.bool, values) { .bool($0) } }
  /// An array of strings.
  public static func string(_ values: [String]) -> Self { Self(.string, values) { .string($0) } }

  /// Always 0.
  public var startIndex: Int { 0 }
  /// The number of elements.
  public var endIndex: Int { count }

  /// The element at `index`, which must be in `0..<count`.
  public subscript(index: Int) -> GGUFValue {
    precondition(index >= 0 && index < count, "index \(index) of \(count) elements")
    return withUnsafeBytes { bytes in
      guard elementKind == .string else {
        return GGUFValue(elementKind, bytes, at: index * elementKind.minimumBytes)
      }
      var place = places[index / Self.stride]
      for _ in 0..<index % Self.stride { place += GGUFValue.stringSize(bytes, at: place) }
      return GGUFValue(.string, bytes, at: place)
    }
  }

  /// Calls `body` with the bytes of each string, which need not be UTF-8; nothing for other types.
  package func forEachString(_ body: (UnsafeRawBufferPointer) -> Void) {
    guard elementKind == .string else { return }
    withUnsafeBytes { bytes in
      var place = 0
      for _ in 0..<count {
        let size = GGUFValue.stringSize(bytes, at: place)
        body(UnsafeRawBufferPointer(rebasing: bytes[place + 8..<place + size]))
        place += size
      }
    }
  }

  /// Calls `body` with the elements as they are in a file.
  func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try storage.withUnsafeBytes(in: range, body)
  }
}

extension GGUFArray: Hashable {
  /// Whether the types and the bytes of the elements are the same.
  public static func == (a: Self, b: Self) -> Bool {
    guard a.elementKind == b.elementKind, a.count == b.count, a.range.count == b.range.count else {
      return false
    }
    return a.withUnsafeBytes { a in b.withUnsafeBytes { b in a.elementsEqual(b) } }
  }

  /// Takes in the type and the bytes of the elements.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(elementKind)
    hasher.combine(count)
    withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}
