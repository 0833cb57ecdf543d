import BitCore
import BitFormats
import Testing

@Suite struct SafetensorsRoundTripTests {
  static let values: [Float] = [0, -0.0, 1, -2.5, 0.1, 65504, 1e-7, .infinity, -.infinity]

  @Test(arguments: [DType.f32, .f16, .bf16, .f64])
  func floatsComeBack(dtype: DType) throws {
    let tensor = Tensor(Self.values, shape: [3, 3])
    let expected: [Float] = Self.values.map { value in
      switch dtype {
      case .f16: HalfPrecision.float(f16: HalfPrecision.f16(value))
      case .bf16: HalfPrecision.float(bf16: HalfPrecision.bf16(value))
      default: value
      }
    }
    try withTemporaryFolder { folder in
      let path = folder + "/file"
      try SafetensorsWriter.write([SafetensorsEntry("w", tensor, dtype: dtype)], to: path)
      let read = try SafetensorsFile(path: path)
      #expect(read["w"]?.dtype == dtype)
      #expect(read["w"]?.shape == [3, 3])
      #expect(read["w"]?.byteRange.count == 9 * dtype.bitsPerElement / 8)
      let result = try read.tensor("w")
      #expect(result.shape == [3, 3])
      #expect(result.scalars.map(\.bitPattern) == expected.map(\.bitPattern))
    }
  }

  @Test func aNaNStaysOne() throws {
    let entries = [DType.f32, .f16, .bf16, .f64].map {
      SafetensorsEntry($0.rawValue, Tensor([.nan, -.nan]), dtype: $0)
    }
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write(entries, to: folder + "/file")
      let file = try SafetensorsFile(path: folder + "/file")
      for tensor in file.tensors {
        #expect(try file.tensor(tensor.name).scalars.allSatisfy(\.isNaN))
      }
    }
  }

  @Test(
    arguments: [
      (.bool, 0, 1), (.u8, 0, 255), (.i8, -128, 127), (.u16, 0, 65535), (.i16, -32768, 32767),
      (.u32, 0, 4_294_967_295), (.i32, -2_147_483_648, 2_147_483_647), (.i64, .min, .max),
      (.u64, 0, .max),
    ] as [(DType, Int64, Int64)])
  func integersComeBack(dtype: DType, least: Int64, greatest: Int64) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/file"
      let values = [least, 0, 1, greatest]
      let entry = SafetensorsEntry("n", values, shape: [2, 2], dtype: dtype)
      try SafetensorsWriter.write([entry], to: path)
      let file = try SafetensorsFile(path: path)
      #expect(try file.integers("n") == values)
      #expect(file["n"]?.byteRange.count == 4 * dtype.bitsPerElement / 8)

      for wrong in [least.subtractingReportingOverflow(1), greatest.addingReportingOverflow(1)]
      where !wrong.overflow {
        let entry = SafetensorsEntry("n", [1, wrong.partialValue], shape: [2], dtype: dtype)
        let error = #expect(throws: InputError.self) {
          try SafetensorsWriter.write([entry], to: path)
        }
        #expect(
          error?.description == "\(path), tensor \"n\": found \(wrong.partialValue) as element 1, "
            + "expected \(least) to \(greatest) for \(dtype)")
        // The failure left the first file alone.
        #expect(try SafetensorsFile(path: path).integers("n") == values)
        #expect(try names(in: folder) == ["file"])
      }
    }
  }

  @Test func largeTensorsComeBackFromPieces() throws {
    var generator = SeededGenerator(seed: 1)
    let tensor = generator.uniform([300, 1001], bound: 1)
    let streamed = SafetensorsEntry("s", dtype: .u8, shape: [3_000_000]) {
      (writer) throws(InputError) in
      for piece in 0..<3 {
        try writer.write([UInt8](repeating: UInt8(piece), count: 1_000_000))
      }
    }
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write([streamed, SafetensorsEntry("t", tensor)], to: folder + "/file")
      let file = try SafetensorsFile(path: folder + "/file")
      #expect(file.tensors.map(\.name) == ["t", "s"])
      #expect(try file.tensor("t") == tensor)
      let sum = try file.withUnsafeBytes(of: "s") { $0.reduce(0) { $0 + Int($1) } }
      #expect(sum == 3_000_000)
    }
  }

  @Test func metadataNamesAndEmptyTensorsComeBack() throws {
    let metadata = ["format": "pt", "b\n\"": "\u{e9}\\", "": "", "z": "\u{1f600}"]
    let entries = [
      SafetensorsEntry("", Tensor([1, 2])),
      SafetensorsEntry("scalar", Tensor([7], shape: [])),
      SafetensorsEntry("none", Tensor([], shape: [0, 3])),
      SafetensorsEntry("\u{e9}", [1], shape: [1], dtype: .u8),
      SafetensorsEntry("e\u{301}", [2], shape: [1], dtype: .u8),
    ]
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write(entries, metadata: metadata, to: folder + "/file")
      let file = try SafetensorsFile(path: folder + "/file")
      #expect(file.metadata == metadata)
      #expect(try file.tensor("") == Tensor([1, 2]))
      #expect(try file.tensor("scalar") == Tensor([7], shape: []))
      #expect(try file.tensor("none") == Tensor([], shape: [0, 3]))
      #expect(try file.integers("\u{e9}") == [1])
      #expect(try file.integers("e\u{301}") == [2])
    }
  }

  @Test func aFileWithoutTensorsComesBack() throws {
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write([], to: folder + "/file")
      #expect(try bytes(ofFile: folder + "/file") == safetensors("{}      "))
      #expect(try SafetensorsFile(path: folder + "/file").tensors.isEmpty)
    }
  }

  /// Data after a header of any length, so at any alignment.
  @Test(arguments: 0..<8) func readsUnalignedData(padding: Int) throws {
    let header = """
      {"f":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},\
      "d":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},\
      "i":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},\
      "h":{"dtype":"F16","shape":[1],"data_offsets":[24,26]}}
      """
    let data: [UInt8] =
      [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]  // 1, -2
      + [0, 0, 0, 0, 0, 0, 0xe0, 0x3f]  // 0.5
      + [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]  // -2
      + [0x00, 0x3e]  // 1.5
    let text = header + String(repeating: " ", count: padding)
    let file = try SafetensorsFile(bytes: safetensors(text, data: data))
    #expect(try file.tensor("f").scalars == [1, -2])
    #expect(try file.tensor("d").scalars == [0.5])
    #expect(try file.integers("i") == [-2])
    #expect(try file.tensor("h").scalars == [1.5])
  }

  @Test func anyByteButZeroIsTrue() throws {
    let header = #"{"b":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}"#
    let file = try SafetensorsFile(bytes: safetensors(header, data: [0, 1, 255]))
    #expect(try file.integers("b") == [0, 1, 1])
  }
}
