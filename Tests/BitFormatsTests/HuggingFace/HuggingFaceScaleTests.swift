import BitCore
import BitFormats
import Testing

@Suite struct HuggingFaceScaleTests {
  private func file(
    _ value: Float, _ dtype: DType = .f32, shape: Shape = [1], in folder: String
  ) throws -> SafetensorsFile {
    let path = folder + "/scale"
    try SafetensorsWriter.write(
      [SafetensorsEntry("s", Tensor(repeating: value, shape: shape), dtype: dtype)], to: path)
    return try SafetensorsFile(path: path)
  }

  /// Any stored scale, such as one whose reciprocal's reciprocal is another float, comes back with
  /// the same bytes.
  @Test(arguments: [DType.f32, .f16, .bf16], [[1], []] as [Shape])
  func writesTheBytesThatItRead(dtype: DType, shape: Shape) throws {
    var generator = SeededGenerator(seed: 3)
    let values = generator.uniform([200], bound: 1).scalars.map { 1 + $0.magnitude * 90 }
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write(
        values.enumerated().map {
          SafetensorsEntry("\($0)", Tensor([$1], shape: shape), dtype: dtype)
        }, to: folder + "/scales")
      let source = try SafetensorsFile(path: folder + "/scales")
      for convention in [HuggingFaceScale.Convention.multiplies, .divides] {
        var entries: [SafetensorsEntry] = []
        var lost = 0
        for tensor in source.tensors {
          let stored = try source.tensor(tensor.name).scalars[0]
          let scale = try HuggingFaceScale(tensor.name, from: source, convention: convention)
          #expect(scale.stored == stored)
          #expect(scale.multiplier == (convention == .divides ? 1 / stored : stored))
          if 1 / (1 / stored) != stored { lost += 1 }
          entries.append(scale.entry(tensor.name))
        }
        // Without the divisor that is kept, these would have changed.
        #expect(lost > 0)
        try SafetensorsWriter.write(entries, to: folder + "/again")
        #expect(try bytes(ofFile: folder + "/again") == bytes(ofFile: folder + "/scales"))
      }
    }
  }

  @Test func anExactMultiplierIsFoundIfThereIsOne() throws {
    var generator = SeededGenerator(seed: 4)
    var refused = 0
    for value in generator.uniform([1000], bound: 1).scalars {
      let multiplier = value.magnitude + 0.001
      let factor = try HuggingFaceScale(multiplier: multiplier, convention: .multiplies)
      #expect(factor.stored == multiplier)
      let nearest = try HuggingFaceScale(
        multiplier: multiplier, convention: .divides, rounding: true)
      #expect((nearest.multiplier - multiplier).magnitude <= multiplier.ulp)
      do {
        let divisor = try HuggingFaceScale(multiplier: multiplier, convention: .divides)
        #expect(divisor.multiplier == multiplier)
      } catch {
        #expect(error.kind == .unsupported)
        #expect(nearest.multiplier != multiplier)
        refused += 1
      }
    }
    // 17 % of floats are nobody's reciprocal.
    #expect((50...300).contains(refused))
    // What was read as a divisor can always be written as one.
    for value in generator.uniform([1000], bound: 1).scalars {
      let multiplier = 1 / (value.magnitude + 0.001)
      let scale = try HuggingFaceScale(multiplier: multiplier, convention: .divides)
      #expect(scale.multiplier == multiplier)
    }
  }

  @Test func sixteenBitsHoldFewScales() throws {
    for dtype in [DType.f16, .bf16] {
      let scale = try HuggingFaceScale(multiplier: 0.375, convention: .multiplies, dtype: dtype)
      #expect(scale.stored == 0.375 && scale.dtype == dtype)
      let error = #expect(throws: InputError.self) {
        try HuggingFaceScale(multiplier: 0.1, convention: .multiplies, dtype: dtype, source: "s")
      }
      #expect(
        error?.description == "s: found a scale of 0.1, which no \(dtype) factor gives exactly, "
          + "expected a scale that one does, as an F32 factor always does")
      let rounded = try HuggingFaceScale(
        multiplier: 0.1, convention: .divides, dtype: dtype, rounding: true)
      #expect((rounded.multiplier - 0.1).magnitude < 0.001)
    }
    #expect(throws: InputError.self) {
      try HuggingFaceScale(multiplier: 1e6, convention: .multiplies, dtype: .f16, rounding: true)
    }
    let other = #expect(throws: InputError.self) {
      try HuggingFaceScale(multiplier: 1, convention: .multiplies, dtype: .i8)
    }
    #expect(other?.kind == .mismatch)
  }

  @Test(arguments: [0, -0.0, -1, .nan, .infinity, -.infinity] as [Float])
  func refusesWhatIsNoScale(value: Float) throws {
    try withTemporaryFolder { folder in
      let source = try file(value, in: folder)
      for convention in [HuggingFaceScale.Convention.multiplies, .divides] {
        let error = #expect(throws: InputError.self) {
          try HuggingFaceScale("s", from: source, convention: convention)
        }
        #expect(error?.kind == .malformed)
        #expect(error?.source == "\(folder)/scale, tensor \"s\"")
        #expect(throws: InputError.self) {
          try HuggingFaceScale(multiplier: value, convention: convention, rounding: true)
        }
      }
    }
  }

  @Test func refusesAScaleWithoutAReciprocal() throws {
    try withTemporaryFolder { folder in
      let source = try file(0x1p-130, in: folder)
      #expect(throws: InputError.self) {
        try HuggingFaceScale("s", from: source, convention: .divides)
      }
      #expect(
        try HuggingFaceScale("s", from: source, convention: .multiplies).multiplier == 0x1p-130)
    }
  }

  @Test(arguments: [
    (Shape([2]), DType.f32), (Shape([1, 1]), .f32), (Shape([0]), .f32), (Shape([1]), .f64),
  ])
  func refusesOtherShapesAndTypes(shape: Shape, dtype: DType) throws {
    try withTemporaryFolder { folder in
      let source = try file(1, dtype, shape: shape, in: folder)
      let error = #expect(throws: InputError.self) {
        try HuggingFaceScale("s", from: source, convention: .multiplies)
      }
      #expect(error?.kind == .mismatch)
      #expect(error?.found == "\(dtype) \(shape)")
      let missing = #expect(throws: InputError.self) {
        try HuggingFaceScale("t", from: source, convention: .multiplies)
      }
      #expect(missing?.kind == .missing)
    }
  }
}
