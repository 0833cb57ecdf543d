/// One tensor of a safetensors file, without its data.
public struct SafetensorsTensor: Sendable, Equatable {
  /// The name, such as "model.layers.0.self_attn.q_proj.weight".
  public let name: String
  /// The element type.
  public let dtype: DType
  /// The extents, outermost first; none for a scalar.
  public let shape: [Int]
  /// Where the data is, in bytes from the start of the file.
  public let byteRange: Range<Int>

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }
}

/// The head of a safetensors file: the length of the JSON text in 8 bytes, then the text.
struct SafetensorsHeader {
  /// The greatest length of the JSON text in bytes, as in the reference.
  static let maximumLength = 100_000_000
  static let metadataKey = "__metadata__"

  private(set) var metadata: [String: String] = [:]
  /// In the order of their data.
  private(set) var tensors: [SafetensorsTensor] = []

  /// Reads and checks the head of a whole file.
  init(_ file: UnsafeRawBufferPointer, source: String) throws(InputError) {
    let dataStart = try Self.dataStart(file, source: source)
    let text = UnsafeRawBufferPointer(rebasing: file[8..<dataStart])
    // The reference takes the last of several equal keys in the metadata and in what it does not
    // know, so duplicates are judged one by one below.
    let options = JSONOptions(duplicateKeys: .keepAll)
    let json = try JSONValue(parsing: text, source: "\(source), header", options: options)
    guard let members = json.objectValue else {
      throw Self.malformed("\(source), header", json.kindName, "an object")
    }
    var seen: Set<ByteKey> = []
    for member in members {
      guard seen.insert(ByteKey(member.key)).inserted else {
        throw Self.malformed(
          "\(source), header", "the key \(ErrorText.quoted(member.key)) twice", "every key once")
      }
      if member.key == Self.metadataKey {
        metadata = try Self.metadata(member.value, source: source)
      } else {
        tensors.append(
          try Self.tensor(member.key, member.value, dataStart: dataStart, source: source))
      }
    }
    tensors.sort {
      ($0.byteRange.lowerBound, $0.byteRange.upperBound)
        < ($1.byteRange.lowerBound, $1.byteRange.upperBound)
    }
    try checkCoverage(from: dataStart, to: file.count, source: source)
  }

  private static func malformed(
    _ source: String, _ found: String, _ expected: String
  ) -> InputError {
    InputError(.malformed, source: source, found: found, expected: expected)
  }

  private static func dataStart(
    _ file: UnsafeRawBufferPointer, source: String
  ) throws(InputError) -> Int {
    guard file.count >= 8 else {
      throw malformed(source, "\(file.count) bytes", "at least the 8 bytes of a header length")
    }
    let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(maximumLength) else {
      throw malformed(
        source, "a header of \(length) bytes", "a safetensors header, at most \(maximumLength)")
    }
    guard length <= UInt64(file.count - 8) else {
      throw malformed(
        source, "a header of \(length) bytes", "at most the \(file.count - 8) bytes that follow")
    }
    return 8 + Int(length)
  }

  private static func metadata(
    _ value: JSONValue, source: String
  ) throws(InputError) -> [String: String] {
    if value == .null { return [:] }
    guard let members = value.objectValue else {
      throw malformed("\(source), metadata", value.kindName, "an object of strings")
    }
    var metadata: [String: String] = [:]
    for member in members {
      guard let text = member.value.stringValue else {
        throw malformed(
          "\(source), metadata \(ErrorText.quoted(member.key))", member.value.kindName, "a string")
      }
      metadata[member.key] = text
    }
    return metadata
  }

  private static func tensor(
    _ name: String, _ value: JSONValue, dataStart: Int, source file: String
  ) throws(InputError) -> SafetensorsTensor {
    let source = "\(file), tensor \(ErrorText.quoted(name))"
    guard let entry = value.objectValue else {
      throw malformed(source, value.kindName, "an object")
    }
    let dtypeName = try field("dtype", of: entry, source: source)
    guard let text = dtypeName.stringValue, let dtype = DType(rawValue: text) else {
      let found = dtypeName.stringValue.map(ErrorText.quoted) ?? dtypeName.kindName
      throw malformed(
        source, "dtype \(found)",
        "one of " + DType.allCases.map(\.rawValue).joined(separator: " "))
    }
    let shape = try extents("shape", of: entry, source: source)
    let offsets = try extents("data_offsets", of: entry, source: source)
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw malformed(
        source, "data_offsets \(ErrorText.list(offsets))", "a start and an end not before it")
    }
    let size = try dtype.byteCount(of: shape, source: source)
    guard offsets[1] - offsets[0] == size else {
      throw malformed(
        source, "\(offsets[1] - offsets[0]) bytes of data",
        "\(size) for \(dtype) \(ErrorText.list(shape))")
    }
    let end = offsets[1].addingReportingOverflow(dataStart)
    guard !end.overflow else {
      throw malformed(source, "data_offsets \(ErrorText.list(offsets))", "offsets inside the file")
    }
    return SafetensorsTensor(
      name: name, dtype: dtype, shape: shape,
      byteRange: offsets[0] + dataStart..<end.partialValue)
  }

  /// The value of a field that must be there once; other fields are left alone.
  private static func field(
    _ key: String, of entry: JSONObject, source: String
  ) throws(InputError) -> JSONValue {
    let found = entry.filter { $0.key == key }
    guard found.count == 1, let field = found.first else {
      throw malformed(source, found.isEmpty ? "no \(key)" : "\(key) twice", "one \(key)")
    }
    return field.value
  }

  /// A field that is a list of integers from 0.
  private static func extents(
    _ key: String, of entry: JSONObject, source: String
  ) throws(InputError) -> [Int] {
    let value = try field(key, of: entry, source: source)
    guard let elements = value.arrayValue else {
      throw malformed(source, "\(value.kindName) as \(key)", "a list of integers")
    }
    var extents: [Int] = []
    extents.reserveCapacity(elements.count)
    for element in elements {
      guard let integer = element.integerValue, let extent = Int(exactly: integer), extent >= 0
      else {
        throw malformed(
          source, "\(element.encoded.prefix(40)) in \(key)", "integers from 0 to \(Int.max)")
      }
      extents.append(extent)
    }
    return extents
  }

  /// Every byte after the header belongs to one tensor.
  private func checkCoverage(from start: Int, to end: Int, source: String) throws(InputError) {
    var reached = start
    for tensor in tensors {
      guard tensor.byteRange.lowerBound == reached else {
        throw Self.malformed(
          "\(source), tensor \(ErrorText.quoted(tensor.name))",
          "data from byte \(tensor.byteRange.lowerBound - start)",
          "\(reached - start), without a hole or an overlap")
      }
      reached = tensor.byteRange.upperBound
    }
    guard reached == end else {
      throw Self.malformed(
        source, "\(end - start) bytes of data", "the \(reached - start) that its tensors have")
    }
  }
}
