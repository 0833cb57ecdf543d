import BitCore
import BitFormats
import Testing

@Suite struct SafetensorsRowsTests {
  static let values = (0..<24).map { Float($0) * 0.5 - 3 }

  @Test(
    arguments: [DType.f32, .f16, .bf16, .f64], [[24], [6, 4], [4, 2, 3], [3, 8, 1]] as [Shape])
  func readsEveryRangeOfRows(dtype: DType, shape: Shape) throws {
    try withTemporaryFolder { folder in
      let tensor = Tensor(Self.values, shape: shape)
      let other = SafetensorsEntry("a", Tensor([9]), dtype: dtype)
      try SafetensorsWriter.write(
        [other, SafetensorsEntry("t", tensor, dtype: dtype)], to: folder + "/file")
      let file = try SafetensorsFile(path: folder + "/file")
      let width = 24 / shape[0]
      for start in 0...shape[0] {
        for end in start...shape[0] {
          let rows = try file.tensor("t", rows: start..<end)
          #expect(rows.shape == Shape([end - start] + shape.extents.dropFirst()))
          #expect(rows.scalars == Array(Self.values[start * width..<end * width]))
        }
      }
      for rows in [-1..<1, 0..<shape[0] + 1, shape[0] + 1..<shape[0] + 1, Int.max - 1..<Int.max] {
        let error = #expect(throws: InputError.self) { try file.tensor("t", rows: rows) }
        #expect(error?.kind == .mismatch)
        #expect(error?.expected == "rows in 0..<\(shape[0])")
      }
    }
  }

  @Test func hostileShapesHaveNoRows() throws {
    let header = """
      {"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},\
      "f":{"dtype":"F4","shape":[2,3],"data_offsets":[4,7]},\
      "h":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[7,7]},\
      "e":{"dtype":"F32","shape":[3,0],"data_offsets":[7,7]},\
      "i":{"dtype":"I32","shape":[1],"data_offsets":[7,11]}}
      """
    let data = [UInt8](repeating: 0, count: 11)
    let file = try SafetensorsFile(bytes: safetensors(header, data: data), source: "m")
    let scalar = #expect(throws: InputError.self) { try file.tensor("s", rows: 0..<0) }
    #expect(
      scalar?.description
        == #"m, tensor "s": found rows 0..<0 of [], expected a tensor with rows"#)
    let half = #expect(throws: InputError.self) {
      try file.withUnsafeBytes(of: "f", rows: 0..<1) { _ in }
    }
    #expect(half?.expected == "rows of whole bytes")
    #expect(try file.tensor("h", rows: 0..<0).count == 0)
    #expect(throws: InputError.self) { try file.tensor("h", rows: 0..<1) }
    #expect(try file.tensor("e", rows: 1..<3).shape == [2, 0])
    #expect(throws: InputError.self) { try file.tensor("i", rows: 0..<1) }
    #expect(throws: InputError.self) { try file.tensor("n", rows: 0..<1) }
    #expect(try file.withUnsafeBytes(of: "i", rows: 0..<1) { $0.count } == 4)
  }

  /// A file copied and a file converted piece by piece, from a mapped file and from memory.
  @Test func streamsFromOneFileToAnother() throws {
    var generator = SeededGenerator(seed: 5)
    let tensor = generator.uniform([3, 10_003], bound: 1)
    // More than the 1 MiB that are copied at a time.
    let large = (0..<2_200_001).map { UInt8(truncatingIfNeeded: $0 / 7) }
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write(
        [
          SafetensorsEntry("t", tensor),
          SafetensorsEntry("u", dtype: .u8, shape: [2_200_001], bytes: large),
        ], to: folder + "/a")
      let mapped = try SafetensorsFile(path: folder + "/a")
      for file in [mapped, try SafetensorsFile(bytes: bytes(ofFile: folder + "/a"))] {
        let half = SafetensorsEntry("half", dtype: .bf16, shape: [3, 10_003]) {
          (writer) throws(InputError) in
          for row in 0..<3 { try writer.write(file.tensor("t", rows: row..<row + 1), as: .bf16) }
        }
        let copies = [
          try SafetensorsEntry(copying: "t", from: file),
          try SafetensorsEntry(copying: "u", from: file, as: "v"), half,
        ]
        try SafetensorsWriter.write(copies, to: folder + "/b")
        try SafetensorsWriter.write(
          [
            SafetensorsEntry("t", tensor), SafetensorsEntry("half", tensor, dtype: .bf16),
            SafetensorsEntry("v", dtype: .u8, shape: [2_200_001], bytes: large),
          ], to: folder + "/c")
        #expect(try bytes(ofFile: folder + "/b") == bytes(ofFile: folder + "/c"))
        #expect(throws: InputError.self) { try SafetensorsEntry(copying: "x", from: file) }
      }
      // Memory that was given back is read again.
      #expect(try mapped.withUnsafeBytes(of: "u") { Array($0) } == large)
    }
  }

  @Test func refusesToWriteFloatsAsIntegers() throws {
    try withTemporaryFolder { folder in
      let entry = SafetensorsEntry("t", dtype: .i8, shape: [1]) { (writer) throws(InputError) in
        try writer.write(Tensor([1]), as: .i8)
      }
      let error = #expect(throws: InputError.self) {
        try SafetensorsWriter.write([entry], to: folder + "/f")
      }
      #expect(error?.kind == .mismatch)
      let left = try names(in: folder)
      #expect(left == [])
    }
  }
}
