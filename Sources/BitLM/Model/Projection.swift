import BitCore

/// A linear layer of a model, without a bias: codes of ternary or sign weights, or other numbers.
struct Projection: Sendable {
  /// The weights, `[out, in]`.
  enum Weights: Sendable {
    case codes(CodeMatrix)
    case numbers(WeightMatrix)
  }

  let weights: Weights
  /// The factor of the RMSNorm of the input, `[in]`; nil without one.
  let norm: NormWeight?

  var outFeatures: Int {
    switch weights {
    case .codes(let matrix): matrix.rows
    case .numbers(let matrix): matrix.rows
    }
  }

  var inFeatures: Int {
    switch weights {
    case .codes(let matrix): matrix.columns
    case .numbers(let matrix): matrix.columns
    }
  }

  /// Bytes that are read for each token.
  var byteCount: Int {
    switch weights {
    case .codes(let matrix): matrix.byteCount
    case .numbers(let matrix): matrix.byteCount
    }
  }
}

/// Rows of a projection's input: as floats and, once they were wanted, as integers.
struct ProjectionInput {
  private let values: Tensor
  private let mode: ActivationMode
  private var quantized: QuantizedTensor?

  /// - Parameter values: `[rows, in]`, in memory that stays.
  init(_ values: UnsafePointer<Float>, rows: Int, features: Int, mode: ActivationMode) {
    self.values = Tensor(borrowing: values, shape: [rows, features])
    self.mode = mode
  }

  /// The rows that the projection makes of these, `[rows, out]`.
  mutating func project(_ projection: Projection, to output: UnsafeMutablePointer<Float>) {
    guard let norm = projection.norm else { return multiply(projection, to: output) }
    let normalized = norm.normalized(values)
    var own = ProjectionInput(
      normalized.pointer, rows: values.shape.rows, features: values.shape.features, mode: mode)
    own.multiply(projection, to: output)
    withExtendedLifetime(normalized) {}
  }

  private mutating func multiply(
    _ projection: Projection, to output: UnsafeMutablePointer<Float>
  ) {
    switch projection.weights {
    case .numbers(let matrix): _ = matrix.matmul(values, output: .memory(output))
    case .codes(let matrix):
      guard let quantizer = mode.quantizer else {
        _ = matrix.floatMatmul(values, output: .memory(output))
        return
      }
      let x = quantized ?? quantizer.quantize(values)
      quantized = x
      _ = matrix.matmul(x, bias: nil, output: .memory(output))
    }
  }
}
