import BitCore
import BitFormats
import BitNN

/// The plain numbers of both kinds of files, little-endian.
enum NumberType {
  case bool, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64

  /// The type of a safetensors file; nil for floats of 8 bits and less and for complex numbers.
  init?(_ type: DType) {
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
  init?(_ type: GGUFTensorType) {
    switch type.name {
    case "I8": self = .i8
    case "I16": self = .i16
    case "I32": self = .i32
    case "I64": self = .i64
    case "F16": self = .f16
    case "BF16": self = .bf16
    case "F32": self = .f32
    case "F64": self = .f64
    default: return nil
    }
  }

  /// Bytes of a number.
  var width: Int {
    switch self {
    case .bool, .u8, .i8: 1
    case .u16, .i16, .f16, .bf16: 2
    case .u32, .i32, .f32: 4
    case .u64, .i64, .f64: 8
    }
  }

  /// The numbers as doubles; integers beyond 2^53 are rounded.
  func doubles(_ bytes: UnsafeRawBufferPointer) -> [Double] {
    switch self {
    case .bool: load(bytes, UInt8.self) { $0 == 0 ? 0 : 1 }
    case .u8: load(bytes, UInt8.self) { Double($0) }
    case .i8: load(bytes, Int8.self) { Double($0) }
    case .u16: load(bytes, UInt16.self) { Double($0) }
    case .i16: load(bytes, Int16.self) { Double($0) }
    case .u32: load(bytes, UInt32.self) { Double($0) }
    case .i32: load(bytes, Int32.self) { Double($0) }
    case .u64: load(bytes, UInt64.self) { Double($0) }
    case .i64: load(bytes, Int64.self) { Double($0) }
    case .f16: load(bytes, UInt16.self) { Double(HalfPrecision.float(f16: $0)) }
    case .bf16: load(bytes, UInt16.self) { Double(HalfPrecision.float(bf16: $0)) }
    case .f32: load(bytes, UInt32.self) { Double(Float(bitPattern: $0)) }
    case .f64: load(bytes, UInt64.self) { Double(bitPattern: $0) }
    }
  }

  @inline(__always)
  private func load<Raw: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _: Raw.Type, _ convert: (Raw) -> Double
  ) -> [Double] {
    let width = MemoryLayout<Raw>.size
    return [Double](unsafeUninitializedCapacity: bytes.count / width) { values, count in
      count = bytes.count / width
      for place in 0..<count {
        let raw = bytes.loadUnaligned(fromByteOffset: place * width, as: Raw.self)
        values[place] = convert(Raw(littleEndian: raw))
      }
    }
  }
}

/// The numbers of a tensor, read piece by piece: only one piece is in memory.
struct NumberStream {
  /// The numbers of a piece, unless a row of blocks has more.
  static let pieceCount = 1 << 18

  /// How many pieces there are.
  let pieces: Int
  /// Reads one of them.
  let read: (_ piece: Int) throws(InputError) -> [Double]

  /// Calls `body` with piece after piece.
  func forEach(_ body: (UnsafeBufferPointer<Double>) -> Void) throws(InputError) {
    for piece in 0..<pieces {
      try read(piece).withUnsafeBufferPointer { body($0) }
    }
  }

  /// Pieces by their own reading.
  init(pieces: Int, read: @escaping (_ piece: Int) throws(InputError) -> [Double]) {
    (self.pieces, self.read) = (pieces, read)
  }

  /// Plain numbers that follow one another.
  ///
  /// - Parameters:
  ///   - type: the type of a number.
  ///   - byteCount: the bytes of all numbers.
  ///   - read: converts the numbers in a range of bytes and gives back their memory.
  init(
    _ type: NumberType, byteCount: Int,
    read: @escaping (_ bytes: Range<Int>) throws(InputError) -> [Double]
  ) {
    let size = Self.pieceCount * type.width
    self.init(pieces: (byteCount + size - 1) / size) { (piece) throws(InputError) in
      try read(piece * size..<min(byteCount, (piece + 1) * size))
    }
  }
}
