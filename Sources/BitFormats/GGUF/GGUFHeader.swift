import BitCore
import BitFiles

/// The head of a GGUF file: metadata and the list of tensors.
struct GGUFHeader {
  /// A tensor as the list has it.
  struct Info {
    let name: String
    /// Outermost first, unlike in the file.
    let shape: [Int]
    let typeID: UInt32
    /// From the start of the data.
    let offset: UInt64
  }

  static let magic: [UInt8] = Array("GGUF".utf8)
  static let alignmentKey = "general.alignment"

  let version: UInt32
  private(set) var metadata = GGUFMetadata()
  let alignment: Int
  let infos: [Info]
  /// Where the data starts in the file.
  let dataStart: Int

  /// Reads and checks the head of a whole file.
  ///
  /// - Parameters:
  ///   - bytes: All bytes of the storage.
  ///   - storage: What the arrays of the metadata keep, to read their elements from.
  init(
    _ bytes: UnsafeRawBufferPointer, of storage: ByteSource, source: String
  ) throws(InputError) {
    var cursor = GGUFCursor(bytes, file: source)
    version = try Self.version(&cursor)
    let tensors = try cursor.count("tensors", limit: GGUFLimits.tensorCount)
    let pairs = try cursor.count("key-value pairs", limit: GGUFLimits.metadataCount)
    var strings = 0
    for _ in 0..<pairs {
      let key = try cursor.string("a key", limit: GGUFLimits.keyBytes)
      cursor.enter("key", key)
      guard !key.isEmpty else { throw cursor.error("an empty key", "a key") }
      guard metadata[key] == nil else { throw cursor.error("the key twice", "every key once") }
      metadata[key] = try cursor.value(strings: &strings, storage)
      cursor.leave()
    }
    alignment = try Self.alignment(metadata, source: source)
    infos = try Self.infos(tensors, &cursor)
    if tensors == 0 {
      dataStart = cursor.place
    } else {
      dataStart = (cursor.place + alignment - 1) / alignment * alignment
      guard dataStart <= bytes.count else {
        throw cursor.error(
          "\(bytes.count) bytes", "data from byte \(dataStart), at an alignment of \(alignment)")
      }
    }
  }

  private static func version(_ cursor: inout GGUFCursor) throws(InputError) -> UInt32 {
    let magic = try cursor.bytes(4, "magic number")
    guard magic.elementsEqual(Self.magic) else {
      let hex = ErrorText.hex(magic, separator: " ")
      throw cursor.error("the bytes \(hex)", "GGUF (47 47 55 46)")
    }
    let version = try cursor.integer("version", UInt32.self)
    if (2...3).contains(version) { return version }
    if (1...3).contains(version.byteSwapped) {
      throw cursor.error(
        "a big-endian file", "a little-endian one, as all common machines write",
        kind: .unsupported)
    }
    throw cursor.error("version \(version)", "version 2 or 3", kind: .unsupported)
  }

  private static func alignment(
    _ metadata: GGUFMetadata, source: String
  ) throws(InputError) -> Int {
    guard let value = metadata[alignmentKey] else { return GGUFLimits.defaultAlignment }
    let limits = GGUFLimits.alignment
    guard case .uint32(let bits) = value, limits.contains(Int(bits)), bits & (bits - 1) == 0 else {
      let found = value.integerValue.map { "\(value.typeName) \($0)" } ?? value.typeName
      throw InputError(
        .malformed, source: "\(source), key \(ErrorText.quoted(alignmentKey))", found: found,
        expected: "uint32, a power of two from \(limits.lowerBound) to \(limits.upperBound)")
    }
    return Int(bits)
  }

  private static func infos(
    _ count: Int, _ cursor: inout GGUFCursor
  ) throws(InputError) -> [Info] {
    var infos: [Info] = []
    // An entry takes 32 bytes at least.
    infos.reserveCapacity(min(count, cursor.remaining / 32))
    var names: Set<ByteKey> = []
    for _ in 0..<count {
      let name = try cursor.string("a tensor's name", limit: GGUFLimits.keyBytes)
      cursor.enter("tensor", name)
      guard names.insert(ByteKey(name)).inserted else {
        throw cursor.error("the name twice", "every name once")
      }
      let limits = GGUFLimits.dimensions
      let dimensions = try cursor.integer("number of dimensions", UInt32.self)
      guard limits.contains(Int(dimensions)) else {
        throw cursor.error(
          "\(dimensions) dimensions", "\(limits.lowerBound) to \(limits.upperBound)")
      }
      var shape: [Int] = []
      var elements = 1
      for _ in 0..<dimensions {
        let extent = try cursor.integer("extent", Int64.self)
        let product = Int(exactly: extent).map { elements.multipliedReportingOverflow(by: $0) }
        guard extent >= 1, let product, !product.overflow else {
          throw cursor.error(
            "the extent \(extent)", "extents from 1, whose product is at most \(Int.max)")
        }
        elements = product.partialValue
        shape.append(Int(extent))
      }
      let typeID = try cursor.integer("type", UInt32.self)
      let offset = try cursor.integer("offset", UInt64.self)
      infos.append(Info(name: name, shape: shape.reversed(), typeID: typeID, offset: offset))
      cursor.leave()
    }
    return infos
  }
}

extension GGUFCursor {
  /// A type and a value.
  fileprivate mutating func value(
    strings: inout Int, _ storage: ByteSource
  ) throws(InputError) -> GGUFValue {
    let kind = try kind("value")
    switch kind {
    case .string: return .string(try string("a string", limit: GGUFLimits.stringBytes))
    case .array: return .array(try array(strings: &strings, storage))
    default:
      let raw = try bytes(kind.minimumBytes, "value")
      if kind == .bool, raw[0] > 1 { throw truthError(raw[0]) }
      return GGUFValue(kind, raw, at: 0)
    }
  }

  private mutating func kind(_ what: String) throws(InputError) -> GGUFValueKind {
    let id = try integer("type of the \(what)", UInt32.self)
    guard let kind = GGUFValueKind(rawValue: id) else {
      throw error("\(what) type \(id)", "a type from 0 to 12")
    }
    return kind
  }

  private mutating func array(
    strings: inout Int, _ storage: ByteSource
  ) throws(InputError) -> GGUFArray {
    let kind = try kind("element")
    guard kind != .array else {
      throw error("an array of arrays", "an array of values", kind: .unsupported)
    }
    let count = try count(
      "elements of type \(kind)", limit: GGUFLimits.headerBytes / kind.minimumBytes)
    if kind == .string {
      strings += count
      guard strings <= GGUFLimits.arrayStrings else {
        throw error("\(strings) strings in arrays", "at most \(GGUFLimits.arrayStrings)")
      }
    }
    return try GGUFArray(kind, count: count, &self, storage: storage)
  }
}
