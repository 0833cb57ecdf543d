import BitCore

/// A caller's matrix with checked extents.
struct Matrix {
  let rows: Int
  let columns: Int
  private let values: UnsafePointer<Float>?
  private let stride: Int

  /// - Parameters:
  ///   - name: its name in errors.
  ///   - values: may be null if the matrix has no values.
  init(
    _ name: String, _ values: UnsafePointer<Float>?, rows: Int64, columns: Int, stride: Int64
  ) throws(Failure) {
    guard let rowCount = Int(exactly: rows), rowCount >= 0 else {
      throw .argument("rows of \(name)", rows, "0 or more")
    }
    guard let stride = Int(exactly: stride), rowCount <= 1 || stride >= columns else {
      throw .mismatch("stride of \(name)", "\(stride)", "at least \(columns), the length of a row")
    }
    let length = max(stride, columns)
    guard length <= Int.max / 8, rowCount == 0 || length <= Int.max / 8 / rowCount else {
      throw .argument("rows of \(name)", rows, "a matrix that fits into memory")
    }
    (self.rows, self.columns, self.stride) = (rowCount, columns, stride)
    self.values = rowCount == 0 || columns == 0 ? nil : try required(values, name)
  }

  /// The values as a tensor `[rows, columns]`: the caller's memory if its rows are contiguous, else
  /// a copy. It must not outlive the call.
  var tensor: Tensor {
    guard let values else { return .zeros([rows, columns]) }
    if stride == columns || rows == 1 { return Tensor(borrowing: values, shape: [rows, columns]) }
    return Tensor.build([rows, columns]) { target in
      for row in 0..<rows {
        (target + row * columns).initialize(from: values + row * stride, count: columns)
      }
    }
  }
}

/// A caller's memory for a matrix of results.
struct MutableMatrix {
  private let matrix: Matrix
  private let values: UnsafeMutablePointer<Float>?
  private let stride: Int

  init(
    _ name: String, _ values: UnsafeMutablePointer<Float>?, rows: Int64, columns: Int,
    stride: Int64
  ) throws(Failure) {
    matrix = try Matrix(
      name, UnsafePointer(values), rows: rows, columns: columns, stride: stride)
    self.values = values
    self.stride = Int(stride)
  }

  /// Lets `body` write all values, contiguous and in row-major order: directly into the caller's
  /// memory if its rows are contiguous.
  func fill(_ body: (UnsafeMutablePointer<Float>) -> Void) {
    guard let values, matrix.rows > 0, matrix.columns > 0 else { return }
    if stride == matrix.columns || matrix.rows == 1 { return body(values) }
    let result = Tensor.build([matrix.rows, matrix.columns]) { body($0) }
    result.withUnsafePointer { source in
      for row in 0..<matrix.rows {
        (values + row * stride).update(from: source + row * matrix.columns, count: matrix.columns)
      }
    }
  }
}

/// Copies a vector to a caller's memory, if there are both.
func copyVector(_ vector: Tensor?, to target: UnsafeMutablePointer<Float>?) {
  guard let vector, let target else { return }
  vector.withUnsafePointer { target.update(from: $0, count: vector.count) }
}

/// A caller's vector as a tensor with its own memory; nil for a null pointer.
func vector(_ values: UnsafePointer<Float>?, _ count: Int) -> Tensor? {
  values.map { Tensor(UnsafeBufferPointer(start: $0, count: count), shape: [count]) }
}
