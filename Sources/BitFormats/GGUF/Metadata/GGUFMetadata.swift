import BitFiles

/// The key-value pairs of a GGUF file, in the order of the file.
///
/// ```swift
/// var metadata: GGUFMetadata = ["general.architecture": .string("bitnet-b1.58")]
/// metadata["general.file_type"] = .uint32(37)
/// ```
public struct GGUFMetadata: Sendable, Hashable, ExpressibleByDictionaryLiteral {
  /// A key and its value.
  public struct Entry: Sendable, Hashable {
    /// The key, such as "general.architecture".
    public let key: String
    /// The value.
    public let value: GGUFValue
  }

  /// The pairs in order.
  public private(set) var entries: [Entry] = []
  private var places: [ByteKey: Int] = [:]

  /// No pairs.
  public init() {}

  /// The given pairs in their order; of equal keys the last value counts, at the first one's place.
  public init(dictionaryLiteral elements: (String, GGUFValue)...) {
    for (key, value) in elements { self[key] = value }
  }

  /// The value of a key, which is compared byte for byte. A new key is appended; nil removes one.
  public subscript(key: String) -> GGUFValue? {
    get { places[ByteKey(key)].map { entries[$0].value } }
    set {
      switch (places[ByteKey(key)], newValue) {
      case (let place?, let value?): entries[place] = Entry(key: key, value: value)
      case (nil, let value?):
        places[ByteKey(key)] = entries.count
        entries.append(Entry(key: key, value: value))
      case (let place?, nil):
        entries.remove(at: place)
        places = Dictionary(
          uniqueKeysWithValues: entries.enumerated().map { (ByteKey($1.key), $0) })
      case (nil, nil): break
      }
    }
  }

  /// The number of pairs.
  public var count: Int { entries.count }

  /// `general.architecture`, if it is a string.
  public var architecture: String? { self["general.architecture"]?.stringValue }

  /// `general.file_type`, if it is an integer.
  public var fileType: Int64? { self["general.file_type"]?.integerValue }
}
