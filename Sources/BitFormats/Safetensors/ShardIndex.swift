import BitCore
import BitFiles

/// `model.safetensors.index.json`: which file of a folder has which tensor.
struct ShardIndex {
  /// The greatest length of an index in bytes, the same as of a header.
  static let maximumLength = SafetensorsHeader.maximumLength
  /// The greatest number of files.
  static let maximumShards = 16_384

  /// The names of the files, sorted by their bytes.
  let shards: [String]
  /// The tensors in the order of `weight_map`, and for each its place in ``shards``.
  let places: [(name: String, shard: Int)]
  /// `metadata.total_size`, if it is there.
  let totalSize: Int?

  init(path: String) throws(InputError) {
    let json = try SiblingFile.json(path: path, limit: Self.maximumLength)
    func malformed(_ found: String, _ expected: String) -> InputError {
      InputError(.malformed, source: path, found: found, expected: expected)
    }
    guard let members = json.objectValue else { throw malformed(json.kindName, "an object") }
    guard let map = members["weight_map"]?.objectValue else {
      throw malformed(
        members["weight_map"].map { "\($0.kindName) as weight_map" } ?? "no weight_map",
        "an object weight_map of file names")
    }
    var names: Set<ByteKey> = []
    var pairs: [(name: String, shard: ByteKey)] = []
    pairs.reserveCapacity(map.count)
    for member in map.members {
      guard let shard = member.value.stringValue else {
        throw malformed(
          "\(member.value.kindName) as file of tensor \(ErrorText.quoted(member.key))",
          "a file name")
      }
      if names.insert(ByteKey(shard)).inserted {
        try SiblingFile.check(
          name: shard, source: "\(path), tensor \(ErrorText.quoted(member.key))")
      }
      pairs.append((member.key, ByteKey(shard)))
    }
    guard names.count <= Self.maximumShards else {
      throw malformed("\(names.count) files", "at most \(Self.maximumShards)")
    }
    let sorted = names.sorted()
    let ranks = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1, $0) })
    shards = sorted.map(\.string)
    places = pairs.map { ($0.name, ranks[$0.shard] ?? 0) }
    totalSize = try Self.totalSize(members, malformed)
  }

  private static func totalSize(
    _ members: JSONObject, _ malformed: (String, String) -> InputError
  ) throws(InputError) -> Int? {
    guard let metadata = members["metadata"], metadata != .null else { return nil }
    guard let metadata = metadata.objectValue else {
      throw malformed("\(metadata.kindName) as metadata", "an object")
    }
    guard let value = metadata["total_size"], value != .null else { return nil }
    // Some writers count in floats.
    let size =
      value.integerValue.flatMap(Int.init(exactly:))
      ?? value.doubleValue.flatMap(Int.init(exactly:))
    guard let size, size >= 0 else {
      throw malformed("total_size \(ErrorText.short(value))", "a number of bytes")
    }
    return size
  }
}
