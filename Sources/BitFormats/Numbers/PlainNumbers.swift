import BitCore

/// A type of numbers that follow one another in a file, little-endian and at any alignment: the
/// types that safetensors and GGUF have in common, and their conversion to floats.
package enum PlainNumbers {
  case bool, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64

  /// The type of a safetensors file; nil for floats of 8 bits and fewer and for complex numbers.
  package init?(_ type: DType) {
    switch type {
    case .bool: self = .bool
    case .u8: self = .u8
    case .i8: self = .i8
    case .u16: self = .u16
    case .i16: self = .i16
    case .u32: self = .u32
    case .i32: self = .i32
    case .u64: self = .u64
    case .i64: self = .i64
    case .f16: self = .f16
    case .bf16: self = .bf16
    case .f32: self = .f32
    case .f64: self = .f64
    default: return nil
    }
  }

  /// The type of a GGUF file; nil for types of blocks.
  package init?(_ type: GGUFTensorType) {
    let dtype = GGUFTensorType.plain.first { $0.value == type.id }?.key
    guard let numbers = dtype.flatMap(PlainNumbers.init) else { return nil }
    self = numbers
  }

  /// The type of safetensors with the same bytes.
  package var dtype: DType {
    switch self {
    case .bool: .bool
    case .u8: .u8
    case .i8: .i8
    case .u16: .u16
    case .i16: .i16
    case .u32: .u32
    case .i32: .i32
    case .u64: .u64
    case .i64: .i64
    case .f16: .f16
    case .bf16: .bf16
    case .f32: .f32
    case .f64: .f64
    }
  }

  /// Bytes of a number.
  package var width: Int { dtype.bitsPerElement / 8 }

  /// Whether the numbers are floats, which ``floats(_:to:)`` converts.
  package var isFloat: Bool { [.f16, .bf16, .f32, .f64].contains(self) }

  /// Converts floats to float32: exactly, except that F64 is rounded half to even.
  func floats(_ bytes: UnsafeRawBufferPointer, to values: UnsafeMutablePointer<Float>) {
    switch self {
    case .f32: Self.load(bytes, UInt32.self, to: values) { Float(bitPattern: $0) }
    case .f16: Self.load(bytes, UInt16.self, to: values) { HalfPrecision.float(f16: $0) }
    case .bf16: Self.load(bytes, UInt16.self, to: values) { HalfPrecision.float(bf16: $0) }
    case .f64: Self.load(bytes, UInt64.self, to: values) { Float(Double(bitPattern: $0)) }
    default: preconditionFailure("\(self) is not a type of floats")
    }
  }

  /// The numbers as doubles; integers beyond 2^53 are rounded.
  package func doubles(_ bytes: UnsafeRawBufferPointer) -> [Double] {
    switch self {
    case .bool: Self.array(bytes, UInt8.self) { $0 == 0 ? 0 : 1 }
    case .u8: Self.array(bytes, UInt8.self) { Double($0) }
    case .i8: Self.array(bytes, Int8.self) { Double($0) }
    case .u16: Self.array(bytes, UInt16.self) { Double($0) }
    case .i16: Self.array(bytes, Int16.self) { Double($0) }
    case .u32: Self.array(bytes, UInt32.self) { Double($0) }
    case .i32: Self.array(bytes, Int32.self) { Double($0) }
    case .u64: Self.array(bytes, UInt64.self) { Double($0) }
    case .i64: Self.array(bytes, Int64.self) { Double($0) }
    case .f16: Self.array(bytes, UInt16.self) { Double(HalfPrecision.float(f16: $0)) }
    case .bf16: Self.array(bytes, UInt16.self) { Double(HalfPrecision.float(bf16: $0)) }
    case .f32: Self.array(bytes, UInt32.self) { Double(Float(bitPattern: $0)) }
    case .f64: Self.array(bytes, UInt64.self) { Double(bitPattern: $0) }
    }
  }

  /// The integers or truth values; nil for floats. A U64 comes with the bits that it has.
  func integers(_ bytes: UnsafeRawBufferPointer) -> [Int64]? {
    switch self {
    case .bool: Self.array(bytes, UInt8.self) { $0 == 0 ? 0 : 1 }
    case .u8: Self.array(bytes, UInt8.self) { Int64($0) }
    case .i8: Self.array(bytes, Int8.self) { Int64($0) }
    case .u16: Self.array(bytes, UInt16.self) { Int64($0) }
    case .i16: Self.array(bytes, Int16.self) { Int64($0) }
    case .u32: Self.array(bytes, UInt32.self) { Int64($0) }
    case .i32: Self.array(bytes, Int32.self) { Int64($0) }
    case .u64, .i64: Self.array(bytes, Int64.self) { $0 }
    default: nil
    }
  }

  /// The F32 at an offset.
  static func float(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Float {
    let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    return Float(bitPattern: UInt32(littleEndian: bits))
  }

  /// The F16 at an offset.
  static func half(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Float {
    let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
    return HalfPrecision.float(f16: UInt16(littleEndian: bits))
  }

  @inline(__always)
  private static func load<Raw: FixedWidthInteger & BitwiseCopyable, Value>(
    _ bytes: UnsafeRawBufferPointer, _: Raw.Type, to values: UnsafeMutablePointer<Value>,
    _ convert: (Raw) -> Value
  ) {
    guard let start = bytes.baseAddress else { return }
    let width = MemoryLayout<Raw>.size
    for index in 0..<bytes.count / width {
      let raw = start.loadUnaligned(fromByteOffset: index * width, as: Raw.self)
      values[index] = convert(Raw(littleEndian: raw))
    }
  }

  @inline(__always)
  private static func array<Raw: FixedWidthInteger & BitwiseCopyable, Value>(
    _ bytes: UnsafeRawBufferPointer, _ raw: Raw.Type, _ convert: (Raw) -> Value
  ) -> [Value] {
    let count = bytes.count / MemoryLayout<Raw>.size
    return [Value](unsafeUninitializedCapacity: count) { values, initialized in
      if let start = values.baseAddress { load(bytes, raw, to: start, convert) }
      initialized = count
    }
  }
}

extension GGUFTensorType {
  /// The type of plain numbers with the bytes of a type of safetensors; nil if GGUF has none.
  package init?(_ dtype: DType) {
    guard let id = Self.plain[dtype], let type = Self.common[id] else { return nil }
    self = type
  }

  /// The numbers of the types of plain numbers, by the types of safetensors with the same bytes.
  fileprivate static let plain: [DType: UInt32] = [
    .f32: 0, .f16: 1, .i8: 24, .i16: 25, .i32: 26, .i64: 27, .f64: 28, .bf16: 30,
  ]
}
