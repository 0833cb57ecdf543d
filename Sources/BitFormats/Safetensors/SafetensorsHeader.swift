import BitCore
import BitFiles

/// The head of a safetensors file: the length of the JSON text in 8 bytes, then the text.
struct SafetensorsHeader {
  /// The greatest length of the JSON text in bytes, as in the reference.
  static let maximumLength = 100_000_000
  static let metadataKey = "__metadata__"

  private(set) var metadata: [String: String] = [:]
  /// In the order of their data.
  private(set) var tensors: [SafetensorsTensorInfo] = []
  /// Where in ``tensors`` each name is.
  private(set) var places: [ByteKey: Int] = [:]

  /// Reads and checks the head of a whole file.
  init(_ file: UnsafeRawBufferPointer, source: String) throws(InputError) {
    let dataStart = try Self.dataStart(file, source: source)
    let text = UnsafeRawBufferPointer(rebasing: file[8..<dataStart])
    // The reference takes the last of several equal keys in the metadata and in what it does not
    // know, so duplicates are judged one by one below.
    let options = JSONOptions(duplicateKeys: .keepAll)
    var hasMetadata = false
    // Tensors are taken as they are read: a tree of JSON values would need a multiple of the time
    // and the memory.
    var parser = JSONParser(bytes: text, source: "\(source), header", options: options)
    try parser.parseText { (parser) throws(InputError) in
      guard parser.peek == UInt8(ascii: "{") else {
        throw Self.malformed("\(source), header", try parser.parseValue().kindName, "an object")
      }
      try parser.parseObject { (key, _, parser) throws(InputError) in
        if ByteKey(key) == ByteKey(Self.metadataKey) {
          guard !hasMetadata else { throw Self.twice(key, source: source) }
          hasMetadata = true
          metadata = try Self.metadata(parser.parseValue(), source: source)
        } else {
          tensors.append(
            try Self.tensor(TensorName(file: source, name: key), &parser, dataStart: dataStart))
        }
      }
    }
    tensors.sort {
      ($0.byteRange.lowerBound, $0.byteRange.upperBound)
        < ($1.byteRange.lowerBound, $1.byteRange.upperBound)
    }
    places.reserveCapacity(tensors.count)
    for (place, tensor) in tensors.enumerated() {
      guard places.updateValue(place, forKey: ByteKey(tensor.name)) == nil else {
        throw Self.twice(tensor.name, source: source)
      }
    }
    try checkCoverage(from: dataStart, to: file.count, source: source)
  }

  /// What errors about a tensor name as their source. Made only when there is an error: a header
  /// has thousands of tensors.
  private struct TensorName {
    let file: String
    let name: String
    var source: String { "\(file), tensor \(ErrorText.quoted(name))" }
  }

  private static func twice(_ name: String, source: String) -> InputError {
    malformed("\(source), header", "the key \(ErrorText.quoted(name)) twice", "every key once")
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

  /// Reads one tensor: an object of three fields, each there once; others are left alone.
  private static func tensor(
    _ name: TensorName, _ parser: inout JSONParser, dataStart: Int
  ) throws(InputError) -> SafetensorsTensorInfo {
    guard parser.peek == UInt8(ascii: "{") else {
      throw malformed(name.source, try parser.parseValue().kindName, "an object")
    }
    var fields: (dtype: DType?, shape: [Int]?, offsets: [Int]?)
    try parser.parseObject { (key, _, parser) throws(InputError) in
      func check(isFirst: Bool) throws(InputError) {
        if !isFirst { throw malformed(name.source, "\(key) twice", "one \(key)") }
      }
      switch key {
      case "dtype":
        try check(isFirst: fields.dtype == nil)
        fields.dtype = try dtype(name, &parser)
      case "shape":
        try check(isFirst: fields.shape == nil)
        fields.shape = try extents(key, name, &parser)
      case "data_offsets":
        try check(isFirst: fields.offsets == nil)
        fields.offsets = try extents(key, name, &parser)
      default: _ = try parser.parseValue()
      }
    }
    func missing(_ key: String) -> InputError { malformed(name.source, "no \(key)", "one \(key)") }
    guard let dtype = fields.dtype else { throw missing("dtype") }
    guard let shape = fields.shape else { throw missing("shape") }
    guard let offsets = fields.offsets else { throw missing("data_offsets") }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw malformed(
        name.source, "data_offsets \(ErrorText.list(offsets))", "a start and an end not before it")
    }
    let size = try dtype.byteCount(of: shape, source: name.source)
    guard offsets[1] - offsets[0] == size else {
      throw malformed(
        name.source, "\(offsets[1] - offsets[0]) bytes of data",
        "\(size) for \(dtype) \(ErrorText.list(shape))")
    }
    let end = offsets[1].addingReportingOverflow(dataStart)
    guard !end.overflow else {
      throw malformed(
        name.source, "data_offsets \(ErrorText.list(offsets))", "offsets inside the file")
    }
    return SafetensorsTensorInfo(
      name: name.name, dtype: dtype, shape: shape,
      byteRange: offsets[0] + dataStart..<end.partialValue)
  }

  private static func dtype(
    _ name: TensorName, _ parser: inout JSONParser
  ) throws(InputError) -> DType {
    let value = try parser.parseValue()
    guard let text = value.stringValue, let dtype = DType.named[ByteKey(text)] else {
      let found = value.stringValue.map(ErrorText.quoted) ?? value.kindName
      throw malformed(
        name.source, "dtype \(found)",
        "one of " + DType.allCases.map(\.rawValue).joined(separator: " "))
    }
    return dtype
  }

  /// A list of integers from 0.
  private static func extents(
    _ key: String, _ name: TensorName, _ parser: inout JSONParser
  ) throws(InputError) -> [Int] {
    guard parser.peek == UInt8(ascii: "[") else {
      throw malformed(
        name.source, "\(try parser.parseValue().kindName) as \(key)", "a list of integers")
    }
    var extents: [Int] = []
    try parser.parseArray { (parser) throws(InputError) in
      let value: JSONValue
      if let integer = parser.takeShortInteger() {
        try parser.countValue()
        value = .integer(integer)
      } else {
        value = try parser.parseValue()
      }
      guard let integer = value.integerValue, let extent = Int(exactly: integer), extent >= 0 else {
        throw malformed(
          name.source, "\(value.encoded.prefix(40)) in \(key)", "integers from 0 to \(Int.max)")
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
