/// How values are in a file, little-endian; what is read must be known to be there and right.
extension GGUFValue {
  /// The value at a place, of any kind but an array.
  init(_ kind: GGUFValueKind, _ bytes: UnsafeRawBufferPointer, at place: Int) {
    func integer<Value: FixedWidthInteger & BitwiseCopyable>() -> Value {
      Value(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: Value.self))
    }
    switch kind {
    case .uint8: self = .uint8(integer())
    case .int8: self = .int8(integer())
    case .uint16: self = .uint16(integer())
    case .int16: self = .int16(integer())
    case .uint32: self = .uint32(integer())
    case .int32: self = .int32(integer())
    case .uint64: self = .uint64(integer())
    case .int64: self = .int64(integer())
    case .float32: self = .float32(Float(bitPattern: integer()))
    case .float64: self = .float64(Double(bitPattern: integer()))
    case .bool: self = .bool(bytes[place] != 0)
    case .string:
      let end = place + Self.stringSize(bytes, at: place)
      let text = UnsafeRawBufferPointer(rebasing: bytes[place + 8..<end])
      self = .string(String(decoding: text, as: UTF8.self))
    case .array: preconditionFailure("an array has no fixed size")
    }
  }

  /// The bytes of a string at a place and of its length.
  static func stringSize(_ bytes: UnsafeRawBufferPointer, at place: Int) -> Int {
    8 + Int(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
  }

  /// Appends the value without its type.
  func append(to bytes: inout [UInt8]) {
    switch self {
    case .uint8(let value): Self.append(value, to: &bytes)
    case .int8(let value): Self.append(value, to: &bytes)
    case .uint16(let value): Self.append(value, to: &bytes)
    case .int16(let value): Self.append(value, to: &bytes)
    case .uint32(let value): Self.append(value, to: &bytes)
    case .int32(let value): Self.append(value, to: &bytes)
    case .uint64(let value): Self.append(value, to: &bytes)
    case .int64(let value): Self.append(value, to: &bytes)
    case .float32(let value): Self.append(value.bitPattern, to: &bytes)
    case .float64(let value): Self.append(value.bitPattern, to: &bytes)
    case .bool(let value): Self.append(UInt8(value ? 1 : 0), to: &bytes)
    case .string(let value): Self.append(value, to: &bytes)
    case .array(let array):
      Self.append(array.elementKind.rawValue, to: &bytes)
      Self.append(UInt64(array.count), to: &bytes)
      array.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
  }

  /// Appends an integer.
  static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    Swift.withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Appends the length of a string and the string.
  static func append(_ string: String, to bytes: inout [UInt8]) {
    append(UInt64(string.utf8.count), to: &bytes)
    bytes.append(contentsOf: string.utf8)
  }
}
