import Foundation
import Testing

@testable import BitCore

/// Codes, quantized activations, and their product by a plain loop, for any scales and any number
/// of the first tokens.
struct CodeProduct: Sendable {
  let rows: Int
  let columns: Int
  let tokens: Int
  let alphabet: WeightAlphabet
  /// `[rows, columns]`
  let codes: [Int8]
  /// `[rows]`
  let bias: Tensor
  private let x: Tensor
  private let quantizer: ActivationQuantizer
  private let all: QuantizedTensor
  /// The exact sums over 32 columns, `[tokens, rows, parts]`. Longer blocks consist of these.
  private let partSums: [Int]

  /// The product of given codes and the activations `x`, `[tokens, columns]`.
  init(
    codes: [Int8], rows: Int, x: Tensor, alphabet: WeightAlphabet,
    quantizer: ActivationQuantizer = ActivationQuantizer()
  ) {
    self.rows = rows
    self.alphabet = alphabet
    self.codes = codes
    self.x = x
    self.quantizer = quantizer
    (tokens, columns) = (x.shape[0], x.shape[1])
    all = quantizer.quantize(x)
    bias = random([rows], seed: UInt64(columns))
    partSums = Self.partSums(codes, all.codes, rows: rows, tokens: tokens, columns: columns)
  }

  /// The product of random codes and activations.
  init(
    tokens: Int, rows: Int, columns: Int, alphabet: WeightAlphabet,
    quantizer: ActivationQuantizer = ActivationQuantizer()
  ) {
    var generator = SeededGenerator(seed: UInt64(rows * 10_000 + columns))
    self.init(
      codes: generator.codes(rows * columns, alphabet), rows: rows,
      x: generator.normal([tokens, columns]), alphabet: alphabet, quantizer: quantizer)
  }

  /// The first tokens, quantized by themselves.
  func activations(tokens: Int) -> QuantizedTensor {
    tokens == self.tokens ? all : quantizer.quantize(x.rows(0..<tokens))
  }

  /// Scales of every kind: of the tensor, of groups, of rows, and of blocks of every length, both
  /// ones that are exact as half precision floats and ones that are not.
  var scales: [WeightScales] {
    var generator = SeededGenerator(seed: UInt64(rows + columns))
    var kinds: [WeightScales] = [.groups([0.3])]
    if let groups = [2, 3, 5, 7].first(where: { rows > $0 && rows % $0 == 0 }) {
      kinds.append(.groups((0..<groups).map { _ in generator.nextUniform() + 0.5 }))
    }
    kinds.append(.groups((0..<rows).map { _ in generator.nextUniform() + 0.5 }))
    for length in WeightScales.blockLengths {
      for isExact in [true, false] {
        kinds.append(blockScales(length, exactHalves: isExact))
      }
    }
    return kinds
  }

  /// Scales of blocks, positive and negative ones: multiples of 1/1024, which are exact in half
  /// precision, or numbers that are not.
  func blockScales(_ length: Int, exactHalves: Bool) -> WeightScales {
    var generator = SeededGenerator(seed: UInt64(length + columns))
    let count = rows * ((columns + length - 1) / length)
    return .blocks(
      columns: length,
      (0..<count).map { _ in
        exactHalves
          ? (generator.nextUniform() * 3072).rounded() / 1024 - 1
            // The last bit of a float does not exist in half precision.
          : Float(bitPattern: (generator.nextUniform() * 3 - 1.1).bitPattern | 1)
      })
  }

  /// The matrix in every format of its alphabet and, without blocks, not packed.
  func matrices(_ scales: WeightScales) throws -> [CodeMatrix] {
    var matrices = try PackedFormat.allCases.filter { $0.alphabet == alphabet }.map {
      try CodeMatrix(
        codes: codes, rows: rows, columns: columns, alphabet: alphabet, scales: scales, format: $0)
    }
    if case .groups(let values) = scales { matrices.append(unpacked(values)) }
    return matrices
  }

  /// The matrix that is not packed, made from latent weights that have these codes and scales.
  private func unpacked(_ groupScales: [Float]) -> CodeMatrix {
    let groupWeights = codes.count / groupScales.count
    let weight = Tensor(
      codes.indices.map { Float(codes[$0]) * groupScales[$0 / max(1, groupWeights)] },
      shape: [rows, columns])
    return WeightQuantizer(alphabet).quantize(
      weight,
      statistics: groupScales.map {
        WeightQuantizer.Statistics(parameter: alphabet == .sign ? 0 : 1 / $0, scale: $0)
      })
  }

  /// `[tokens, rows]`, by the formulas of `bk_matmul`.
  func expected(_ scales: WeightScales, hasBias: Bool) -> [Float] {
    let parts = Self.parts(columns)
    // The parts of the shorter block of weights and activations; without blocks, those of a row.
    let step = [scales.blockColumns, all.blockColumns].compactMap { $0 }.min().map { $0 / 32 }
    let layout = scales.layout(rows: rows, columns: columns)
    let inverses = all.scales.map { 1 / $0 }
    var outputs: [Float] = []
    outputs.reserveCapacity(tokens * rows)
    for token in 0..<tokens {
      for row in 0..<rows {
        let sums = (token * rows + row) * parts
        var total: Float = 0
        for first in stride(from: 0, to: parts, by: step ?? parts) {
          var sum = 0
          for part in first..<min(parts, first + (step ?? parts)) { sum += partSums[sums + part] }
          var factor: Float = 1
          if scales.blockColumns != nil {
            factor = scales.values[layout.index(row: row, column: 32 * first)]
          }
          if let length = all.blockColumns {
            factor *= inverses[token * all.blocksPerRow + 32 * first / length]
          }
          total = total.addingProduct(Float(sum), factor)
        }
        if scales.blockColumns == nil { total *= scales.values[layout.index(row: row, column: 0)] }
        if all.blockColumns == nil { total *= inverses[token] }
        outputs.append(hasBias ? total + bias[row] : total)
      }
    }
    return outputs
  }

  /// Multiplies every matrix of these scales with the first tokens, by every set of kernels that
  /// this CPU has, and describes the first output that differs in a bit from that of the plain loop.
  /// Nil if there is none.
  func firstDifference(
    _ scales: WeightScales, tokens: [Int], kernels names: [String] = CPU.usableKernelNames
  ) throws -> String? {
    let inputs = tokens.map { activations(tokens: $0) }
    let expected = [false, true].map { self.expected(scales, hasBias: $0) }
    for (index, matrix) in try matrices(scales).enumerated() {
      for (place, name) in names.enumerated() {
        let kernels = try #require(KernelSet(named: name))
        for x in inputs {
          let hasBias = (x.shape.rows + index + place) % 2 == 0
          let y = matrix.matmul(
            x, bias: hasBias ? bias : nil, kernels: kernels, pool: Self.pool)
          guard let wrong = Self.difference(y, expected[hasBias ? 1 : 0], rows: rows) else {
            continue
          }
          return """
            \(name), \(matrix.format?.rawValue ?? "unpacked"), \(rows) x \(columns), \
            \(scales.blockColumns.map { "blocks of \($0)" } ?? "groups"), \(x.shape[0]) tokens, \
            \(quantizer), bias \(hasBias): \(wrong)
            """
        }
      }
    }
    return nil
  }

  /// The first value of `y` that is not the expected one; there may be more expected ones.
  private static func difference(_ y: Tensor, _ expected: [Float], rows: Int) -> String? {
    guard y.shape.features == rows, y.count <= expected.count else { return "shape \(y.shape)" }
    let isEqual = y.withUnsafePointer { memcmp($0, expected, 4 * y.count) == 0 }
    guard !isEqual else { return nil }
    let index =
      zip(y.scalars, expected).enumerated()
      .first { $1.0.bitPattern != $1.1.bitPattern }?.offset ?? 0
    return "[\(index / rows), \(index % rows)] is \(y.scalars[index]), not \(expected[index])"
  }

  private static let pool = ThreadPool(threads: 1)

  private static func parts(_ columns: Int) -> Int { (columns + 31) / 32 }

  private static func partSums(
    _ codes: [Int8], _ x: [Int], rows: Int, tokens: Int, columns: Int
  ) -> [Int] {
    let parts = parts(columns)
    var sums = [Int](repeating: 0, count: tokens * rows * parts)
    // Written to be fast without optimization.
    codes.withUnsafeBufferPointer { codes in
      x.withUnsafeBufferPointer { x in
        for index in sums.indices {
          let (token, row) = (index / parts / rows, index / parts % rows)
          var column = index % parts &* 32
          let end = min(columns, column &+ 32)
          var sum = 0
          while column < end {
            sum &+= Int(codes[row &* columns &+ column]) &* x[token &* columns &+ column]
            column &+= 1
          }
          sums[index] = sum
        }
      }
    }
    return sums
  }
}

extension SeededGenerator {
  /// Random codes of an alphabet, all equally likely.
  mutating func codes(_ count: Int, _ alphabet: WeightAlphabet) -> [Int8] {
    let table: [Int8] = alphabet == .sign ? [-1, 1] : [-1, 0, 1]
    var codes: [Int8] = []
    codes.reserveCapacity(count)
    while codes.count < count {
      // Four codes per word, of 16 bits each.
      var word = next()
      for _ in 0..<min(4, count - codes.count) {
        codes.append(table[Int(truncatingIfNeeded: word & 0xffff) % table.count])
        word >>= 16
      }
    }
    return codes
  }
}
