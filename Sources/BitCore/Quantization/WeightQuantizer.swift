import CBitKernels

/// How latent weights become codes and scales.
///
/// `sign` (BitNet, arXiv 2310.11453): with a = mean(W) and b = mean|W| of a group,
/// code = +1 where W > a, else -1.
///
/// `ternary` (BitNet b1.58, arXiv 2402.17764): with b = max(mean|W|, 1e-5) of a group,
/// code = clamp(round(W / b), -1, 1), computed as W * (1 / b) with half to even.
///
/// The quantized weight is b * code in both.
public struct WeightQuantizer: Sendable, Hashable {
  /// The values of the codes.
  public let alphabet: WeightAlphabet

  /// A quantizer to codes of the given alphabet.
  public init(_ alphabet: WeightAlphabet) { self.alphabet = alphabet }

  /// The quantizer of BitNet.
  public static let sign = WeightQuantizer(.sign)
  /// The quantizer of BitNet b1.58.
  public static let ternary = WeightQuantizer(.ternary)

  /// Codes of a weight matrix, with a scale for each group of output rows.
  ///
  /// - Parameters:
  ///   - weight: latent weights `[out, in]`.
  ///   - groups: the number of groups of output rows, each with its own scale; must divide `out`.
  ///   - format: how to pack the codes; nil for codes that are not packed, a byte each.
  public func quantize(
    _ weight: Tensor, groups: Int = 1, format: PackedFormat? = nil
  ) -> CodeMatrix {
    quantize(weight, statistics: statistics(of: weight, groups: groups), format: format)
  }

  /// Codes of a weight matrix, packed, with a scale for each block of consecutive weights of a row.
  ///
  /// - Parameters:
  ///   - weight: latent weights `[out, in]`.
  ///   - blockColumns: the number of weights that share a scale: 64, 128 or 256.
  ///   - format: how to pack the codes; nil for the alphabet's default.
  public func quantize(
    _ weight: Tensor, blockColumns: Int, format: PackedFormat? = nil
  ) -> CodeMatrix {
    precondition(
      WeightScales.blockLengths.contains(blockColumns),
      "blocks have 64, 128 or 256 weights, not \(blockColumns)")
    precondition(weight.shape.rank == 2, "a weight is [out, in], not \(weight.shape)")
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    let blocks = ScaleLayout(.block(columns: blockColumns), rows: rows, columns: columns)
      .scalesPerRow
    let kernels = KernelSet.active.table.pointee
    var statistics: [Statistics] = []
    weight.withUnsafePointer { weight in
      for index in 0..<rows * blocks {
        let first = index % blocks * blockColumns
        let count = min(blockColumns, columns - first)
        var sum = 0.0
        var absoluteSum = 0.0
        kernels.sums(weight + index / blocks * columns + first, count, &sum, &absoluteSum)
        statistics.append(self.statistics(sum, absoluteSum, count: count))
      }
    }
    let matrix = CodeMatrix(
      rows: rows, columns: columns, alphabet: alphabet, format: format ?? alphabet.defaultFormat,
      scales: .blocks(columns: blockColumns, statistics.map(\.scale)))
    weight.withUnsafePointer { weight in
      matrix.fill { first, count, panel in
        for block in 0..<blocks {
          let parameters = (first..<first + count).map {
            statistics[$0 * blocks + block].parameter
          }
          let column = block * blockColumns
          encode(.active)(
            weight + first * columns + column, columns, count, min(blockColumns, columns - column),
            parameters, panel + Int(BK_PANEL_ROWS) * column)
        }
      }
    }
    return matrix
  }

  package func quantize(
    _ weight: Tensor, statistics: [Statistics], format: PackedFormat? = nil,
    kernels: KernelSet = .active, pool: ThreadPool = .shared
  ) -> CodeMatrix {
    let matrix = CodeMatrix(
      rows: weight.shape[0], columns: weight.shape[1], alphabet: alphabet, format: format,
      scales: .groups(statistics.map(\.scale)), kernels: kernels)
    fill(matrix, weight, statistics: statistics, pool: pool)
    return matrix
  }

  /// Packs the codes of a weight matrix into somebody else's memory, in the layout
  /// ``CodeLayout/native(_:kernels:)`` of the kernels.
  package func pack(
    _ weight: Tensor, statistics: [Statistics], to codes: UnsafeMutablePointer<UInt8>,
    kernels: KernelSet = .active
  ) {
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    let extents = CodeExtents(rows: rows, columns: columns, alphabet: alphabet)
    let bytes = extents.byteCount(.native(alphabet, kernels: kernels))
    let matrix = CodeMatrix(
      rows: rows, columns: columns, alphabet: alphabet, format: alphabet.defaultFormat,
      scales: .groups(statistics.map(\.scale)), kernels: kernels,
      codeBuffer: AlignedBuffer(borrowing: codes, count: bytes))
    fill(matrix, weight, statistics: statistics, pool: .shared)
  }

  /// Writes the codes of a matrix with a scale for each group of rows.
  private func fill(
    _ matrix: CodeMatrix, _ weight: Tensor, statistics: [Statistics], pool: ThreadPool
  ) {
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    let groupRows = rows / statistics.count
    let parameters = (0..<rows).map { statistics[$0 / groupRows].parameter }
    weight.withUnsafePointer { weight in
      parameters.withUnsafeBufferPointer { parameters in
        guard let parameters = parameters.baseAddress else { return }
        matrix.fill(pool: pool) { first, count, panel in
          encode(matrix.kernels)(
            weight + first * columns, columns, count, columns, parameters + first, panel)
        }
      }
    }
  }

  /// The kernel that makes codes of weights.
  private func encode(_ kernels: KernelSet) -> EncodePanel {
    let (ternary, sign) = kernels.table.pointee.encode_panel
    guard let ternary, let sign else { preconditionFailure("kernels without encode_panel") }
    return alphabet == .sign ? sign : ternary
  }

  private typealias EncodePanel =
    @convention(c) (
      UnsafePointer<Float>?, Int, Int, Int, UnsafePointer<Float>?, UnsafeMutablePointer<UInt8>?
    ) -> Void

  /// The quantized weights b * code as floats, `[out, in]`.
  public func values(_ weight: Tensor, groups: Int = 1) -> Tensor {
    values(weight, statistics: statistics(of: weight, groups: groups))
  }

  func values(_ weight: Tensor, statistics: [Statistics]) -> Tensor {
    Tensor.build(weight.shape) { writeValues(weight, statistics: statistics, to: .float32($0)) }
  }

  /// Writes the quantized weights.
  package func writeValues(_ weight: Tensor, statistics: [Statistics], to values: ValueMemory) {
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    let groupRows = rows / statistics.count
    let write = alphabet == .sign ? bk_sign_values : bk_ternary_values
    weight.withUnsafePointer { weight in
      ThreadPool.shared.parallelFor(rows, grain: 1 + 16_384 / (columns + 1)) { range in
        for row in range {
          let group = statistics[row / groupRows]
          values.write(row * columns, columns) {
            write(weight + row * columns, columns, group.parameter, group.scale, $0)
          }
        }
      }
    }
  }

  /// How the weights of one group of rows, or of one block, become codes.
  package struct Statistics: Sendable {
    /// The number by which a kernel makes codes: the mean to compare with (sign), or the factor
    /// whose product with a weight is rounded (ternary), 1 / scale where it is computed.
    package let parameter: Float
    /// What a code is multiplied by.
    package let scale: Float

    package init(parameter: Float, scale: Float) {
      (self.parameter, self.scale) = (parameter, scale)
    }
  }

  /// Statistics of each group. Sums are taken row by row in Double, so that they do not depend on
  /// the number of threads.
  package func statistics(
    of weight: Tensor, groups: Int, kernels: KernelSet = .active, pool: ThreadPool = .shared
  ) -> [Statistics] {
    precondition(weight.shape.rank == 2, "a weight is [out, in], not \(weight.shape)")
    let sums = Self.rowSums(of: weight, kernels: kernels, pool: pool)
    return statistics(rowSums: sums, columns: weight.shape[1], groups: groups)
  }

  /// Statistics of each group from the sums of all rows, as ``rowSums(of:kernels:pool:)`` gives them
  /// for the whole matrix or for some of its rows.
  package func statistics(
    rowSums sums: [SIMD2<Double>], columns: Int, groups: Int
  ) -> [Statistics] {
    let rows = sums.count
    precondition(
      groups > 0 && rows % groups == 0,
      "\(groups) groups do not divide \(rows) output features")
    let groupRows = rows / groups
    return (0..<groups).map { group in
      let total = sums[group * groupRows..<(group + 1) * groupRows].reduce(.zero, +)
      return self.statistics(total[0], total[1], count: groupRows * columns)
    }
  }

  /// The sum of each row and the sum of its magnitudes.
  package static func rowSums(
    of weight: Tensor, kernels: KernelSet = .active, pool: ThreadPool = .shared
  ) -> [SIMD2<Double>] {
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    var sums = [SIMD2<Double>](repeating: .zero, count: rows)
    weight.withUnsafePointer { weight in
      sums.withUnsafeMutableBufferPointer { sums in
        pool.parallelFor(rows, grain: 1 + 16_384 / (columns + 1)) { range in
          for row in range {
            var sum = 0.0
            var absoluteSum = 0.0
            kernels.table.pointee.sums(weight + row * columns, columns, &sum, &absoluteSum)
            sums[row] = [sum, absoluteSum]
          }
        }
      }
    }
    return sums
  }

  /// Statistics of `count` weights from their sum and the sum of their magnitudes.
  private func statistics(_ sum: Double, _ absoluteSum: Double, count: Int) -> Statistics {
    let mean = SIMD2(sum, absoluteSum) / Double(max(1, count))
    let least = alphabet == .sign ? Float(mean[1]) : max(Float(mean[1]), 1e-5)
    // max() ignores NaN, but a NaN weight must not be hidden.
    let scale = mean[1].isNaN ? .nan : least
    return Statistics(parameter: alphabet == .sign ? Float(mean[0]) : 1 / scale, scale: scale)
  }
}
