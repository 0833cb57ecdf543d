import CBitKernels
import Testing

@testable import BitCore

/// The functions of every set of kernels that this CPU can run: they give the bits of the plain C
/// reference and the values of the formula, and write no byte outside the given range.
@Suite struct KernelTests {
  static let names = CPU.usableKernelNames

  @Test func `the scalar kernels are always there`() {
    #expect(CPU.kernelNames.contains("scalar"))
    #expect(Self.names.contains("scalar"))
    #expect(Self.names.contains(CPU.kernelName))
    #expect(KernelSet(named: "no such set") == nil)
    #expect(Self.names.allSatisfy { CPU.kernelNames.contains($0) })
  }

  @Test(arguments: names)
  func `absmax`(name: String) throws {
    let kernel = try table(name).absmax
    for count in 0...70 {
      // Kernels must accept any alignment.
      for offset in 0..<3 {
        let x = random([count + offset], seed: UInt64(count))
        let expected = x.scalars.dropFirst(offset).reduce(0) { max($0, abs($1)) }
        #expect(kernel?(x.pointer + offset, count).bitPattern == expected.bitPattern)
        withExtendedLifetime(x) {}
      }
    }
    let special: [Float] = [-0.0, .leastNonzeroMagnitude, -.greatestFiniteMagnitude, 0x1p-133]
    for value in special {
      let x = Tensor(repeating: value, shape: [19])
      #expect(kernel?(x.pointer, 19).bitPattern == abs(value).bitPattern)
      withExtendedLifetime(x) {}
    }
  }

  @Test(arguments: names, [Float.nan, -.nan, .signalingNaN, .infinity, -.infinity])
  func `absmax of what is not finite`(name: String, value: Float) throws {
    let kernel = try table(name).absmax
    for count in 1...41 {
      for index in 0..<count {
        var x = Tensor(repeating: 1, shape: [count])
        x[index] = value
        #expect(kernel?(x.pointer, count).isNaN == true)
        withExtendedLifetime(x) {}
      }
    }
  }

  @Test(arguments: names, 2...8)
  func `quantize`(name: String, bits: Int) throws {
    let kernel = try table(name).quantize8
    let top = Int32(1 << (bits - 1))
    for count in 0...100 {
      for (low, high) in [(1 - top, top - 1), (-top, top - 1)] {
        // Every other value is a tie, and some lie beyond the limits.
        var x = random([count], seed: UInt64(count)) * Float(top)
        for i in stride(from: 0, to: count, by: 2) { x[i] = x[i].rounded() + 0.5 }
        let guarded = Guarded<Int8>(count: count)
        let sum = kernel?(x.pointer, count, 0.5, low, high, guarded.pointer)
        let expected = x.scalars.map { value in
          Int8(min(max(Int32((value * 0.5).rounded(.toNearestOrEven)), low), high))
        }
        #expect(guarded.values == expected)
        #expect(sum == expected.reduce(0) { $0 + Int32($1) })
        #expect(guarded.isIntact)
      }
    }
  }

  @Test(arguments: names)
  func `sums`(name: String) throws {
    let (kernel, reference) = (try table(name).sums, try table("scalar").sums)
    for count in Array(0...70) + [255, 256, 257, 1000] {
      let x = random([count], seed: UInt64(count)) * 1e3
      var (sum, absoluteSum, expectedSum, expectedAbsoluteSum) = (-1.0, -1.0, -2.0, -2.0)
      kernel?(x.pointer, count, &sum, &absoluteSum)
      reference?(x.pointer, count, &expectedSum, &expectedAbsoluteSum)
      #expect(sum.bitPattern == expectedSum.bitPattern)
      #expect(absoluteSum.bitPattern == expectedAbsoluteSum.bitPattern)
      let magnitude = x.doubles.reduce(0) { $0 + abs($1) }
      #expect(abs(absoluteSum - magnitude) <= 1e-14 * magnitude)
      #expect(abs(sum - x.doubles.reduce(0, +)) <= 1e-14 * magnitude)
    }
  }

  @Test(arguments: names, WeightAlphabet.allCases)
  func `weights to codes`(name: String, alphabet: WeightAlphabet) throws {
    let panels = try table(name).encode_panel
    let kernel = alphabet == .sign ? panels.1 : panels.0
    for columns in Array(1...70) + [127, 128, 129, 255, 256, 257] {
      for rows in [1, 7, 15, 16] {
        let parameters = random([rows], seed: 4).scalars
        let weights = awkwardWeights(rows, columns, alphabet, parameters)
        let guarded = Guarded<UInt8>(count: bk_panel_bytes(columns))
        kernel?(weights.pointer, columns, rows, columns, parameters, guarded.pointer)
        #expect(guarded.values == panel(weights, alphabet, parameters))
        #expect(guarded.isIntact)
        withExtendedLifetime(weights) {}
      }
    }
  }

  @Test(arguments: names)
  func `AdamW`(name: String) throws {
    for count in [0, 1, 7, 8, 9, 31, 64, 65, 1000] {
      func step(_ kernels: KernelSet) -> [Tensor] {
        var (parameter, mean) = (random([count], seed: 1), random([count], seed: 2))
        var variance = random([count], seed: 3).map { $0 * $0 }
        let rule = AdamWStep(
          step: 3, learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1,
          scale: 0.7)
        rule.update(
          &parameter, gradient: random([count], seed: 4), mean: &mean, variance: &variance,
          kernels: kernels)
        return [parameter, mean, variance]
      }
      #expect(
        step(try #require(KernelSet(named: name))) == step(try #require(KernelSet(named: "scalar")))
      )
    }
  }

  private func table(_ name: String) throws -> bk_kernels {
    try #require(KernelSet(named: name)).table.pointee
  }

  /// Random weights, among them some exactly on a threshold and some not finite.
  private func awkwardWeights(
    _ rows: Int, _ columns: Int, _ alphabet: WeightAlphabet, _ parameters: [Float]
  ) -> Tensor {
    var weights = random([rows, columns], seed: UInt64(columns))
    for row in 0..<rows {
      let threshold = alphabet == .sign ? parameters[row] : 0.5 / parameters[row]
      let specials = [threshold, -threshold, threshold.nextUp, threshold.nextDown, .nan, .infinity]
      for (i, special) in specials.enumerated() where i * 5 + row < columns {
        weights[row, i * 5 + row] = special
      }
    }
    return weights
  }

  /// The panel of codes that the header describes.
  private func panel(
    _ weights: Tensor, _ alphabet: WeightAlphabet, _ parameters: [Float]
  ) -> [UInt8] {
    let columns = weights.shape[1]
    var panel = [UInt8](repeating: 0, count: (columns + 3) / 4 * 64)
    for row in 0..<weights.shape[0] {
      for column in 0..<columns {
        let weight = weights[row, column]
        let code: UInt8
        switch alphabet {
        case .sign: code = weight > parameters[row] ? 2 : 0
        case .ternary:
          let scaled = (weight * parameters[row]).rounded(.toNearestOrEven)
          code = scaled.isNaN ? 1 : UInt8(min(max(scaled, -1), 1) + 1)
        }
        panel[64 * (column / 4) + 4 * row + column % 4] = code
      }
    }
    return panel
  }
}
