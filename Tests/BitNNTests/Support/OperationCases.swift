// Only what a user of BitNN imports, so that its exports are tested too.
import BitNN
import Testing

/// Outputs and gradients of operations; see Golden/generate_operations.py.
struct OperationsFile: Decodable {
  struct Operation: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let inputs, constants, gradients: [GoldenTensor]
    let output, upstream: GoldenTensor

    var testDescription: String { name }
  }

  struct Loss: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let logits, gradient: GoldenTensor
    let labels: [Int32]
    let smoothing: Float
    let ignored: Int32?
    let divisor: Int?
    let value: Double

    var testDescription: String { name }
  }

  let operations: [Operation]
  let losses: [Loss]

  static func load() throws -> OperationsFile { try GoldenFile.load("operations") }
}

/// An operation of some tensors, the first argument, and of some constants.
typealias TensorFunction = @differentiable(reverse) ([Tensor], @noDerivative [Tensor]) -> Tensor

/// The operations of the golden file by name.
enum OperationCases {
  static var functions: [String: TensorFunction] {
    [products, axes, parts, arithmetic].reduce(into: [:]) { all, some in
      all.merge(some) { first, _ in first }
    }
  }

  private static var products: [String: TensorFunction] {
    [
      "matmul": { x, _ in matmul(x[0], x[1]) },
      "matmul_transposed_a": { x, _ in matmul(x[0], x[1], transposeA: true) },
      "matmul_transposed_b": { x, _ in matmul(x[0], x[1], transposeB: true) },
      "matmul_transposed_both": { x, _ in matmul(x[0], x[1], transposeA: true, transposeB: true) },
      "matmul_shared_heads": { x, _ in matmul(x[0], x[1]) },
      "matmul_shared_heads_transposed": { x, _ in matmul(x[0], x[1], transposeB: true) },
      "matmul_one_matrix": { x, _ in matmul(x[0], x[1]) },
      "matmul_one_matrix_transposed": { x, _ in matmul(x[0], x[1], transposeB: true) },
      "matmul_one_left_matrix": { x, _ in matmul(x[0], x[1], transposeA: true) },
      "softmax": { x, _ in softmax(x[0]) },
      "softmax_causal": { x, _ in softmax(x[0], mask: .causal) },
      "softmax_additive": { x, constants in softmax(x[0], mask: .additive(constants[0])) },
      "rotary": { x, tables in rotary(x[0], cosines: tables[0], sines: tables[1]) },
    ]
  }

  private static var axes: [String: TensorFunction] {
    [
      "transposed": { x, _ in x[0].transposed(2, 0, -1, 1) },
      "transposed_heads": { x, _ in x[0].transposed(axes: [0, 2, 1, 3]) },
      "transposed_all": { x, _ in x[0].transposed() },
      "swapped_axes": { x, _ in x[0].swappedAxes(-1, 0) },
      "sum_first": { x, _ in x[0].sum(axes: [0]) },
      "sum_middle": { x, _ in x[0].sum(axes: [1]) },
      "sum_last_kept": { x, _ in x[0].sum(axes: [-1], keepsDimensions: true) },
      "sum_first_and_last": { x, _ in x[0].sum(axes: [2, 0]) },
      "mean_last_kept": { x, _ in x[0].mean(axes: [-1], keepsDimensions: true) },
      "mean_middle_axes": { x, _ in x[0].mean(axes: [1, 2]) },
      "mean_all": { x, _ in x[0].mean(axes: [0, 1, 2]) },
      "broadcast": { x, _ in x[0].broadcast(to: [2, 3, 4, 2]) },
    ]
  }

  private static var parts: [String: TensorFunction] {
    [
      "concatenated": { x, _ in concatenated([x[0], x[1], x[0]], axis: 1) },
      "concatenated_last": { x, _ in concatenated(x, axis: -1) },
      "sliced": { x, _ in x[0].sliced(axis: 1, 1..<3) },
      "sliced_last": { x, _ in x[0].sliced(axis: -1, 0..<2) },
      "split": { x, _ in
        let parts = x[0].split(parts: 3, axis: -1)
        return parts[2] * parts[0]
      },
      "gathered": { x, _ in x[0].gathered([2, 0, 2, 3], axis: 1) },
    ]
  }

  private static var arithmetic: [String: TensorFunction] {
    [
      "add": { x, _ in x[0] + x[1] },
      "subtract": { x, _ in x[0] - x[1] },
      "multiply": { x, _ in x[0] * x[1] },
      "divide": { x, _ in x[0] / x[1] },
      "numbers": { x, _ in
        let (a, b) = (0.5 * x[0] + 1, x[0] / 4)
        return 2 - (a - b) + 3 / x[0] - 1
      },
      "negative": { x, _ in -x[0] },
      "accumulated": { x, _ in
        var sum = x[0]
        sum += x[1]
        sum -= 2 * x[1]
        return sum
      },
      "square_root": { x, _ in x[0].squareRoot() },
      "exp": { x, _ in x[0].exp() },
      "log": { x, _ in x[0].log() },
    ]
  }
}

/// What is wrong with the gradient of `function` at `inputs` against central differences of
/// `sum(upstream * function)`, or nil.
func slopeDifference(
  _ function: ([Tensor]) -> Tensor, at inputs: [Tensor], upstream: Tensor, gradients: [Tensor],
  tolerance: Double = 1e-3
) -> String? {
  let step: Float = 1.0 / 256
  func weighted(_ inputs: [Tensor]) -> Double {
    zip(function(inputs).scalars, upstream.scalars).reduce(0) {
      $0 + Double($1.0) * Double($1.1)
    }
  }
  let largest = gradients.flatMap(\.scalars).reduce(1) { max($0, abs(Double($1))) }
  for (number, input) in inputs.enumerated() {
    let gradient = gradients[number].scalars
    guard gradients[number].shape == input.shape else {
      return "input \(number) has a gradient of shape \(gradients[number].shape)"
    }
    for i in 0..<input.count {
      func moved(by offset: Float) -> Double {
        var scalars = input.scalars
        scalars[i] += offset
        var changed = inputs
        changed[number] = Tensor(scalars, shape: input.shape)
        return weighted(changed)
      }
      let slope = (moved(by: step) - moved(by: -step)) / Double(2 * step)
      guard abs(slope - Double(gradient[i])) <= tolerance * largest else {
        return "input \(number), value \(i): gradient \(gradient[i]), slope \(slope)"
      }
    }
  }
  return nil
}
