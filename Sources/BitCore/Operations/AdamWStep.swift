import CBitKernels

/// One step of Adam with decoupled weight decay for all values of a parameter
/// (Loshchilov and Hutter, arXiv 1711.05101), in the order of operations of PyTorch's AdamW.
/// With g the gradient times `scale`:
///
///     p *= 1 - learningRate * weightDecay
///     m += (1 - beta1) * (g - m);   v = beta2 * v + (1 - beta2) * g * g
///     p -= learningRate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
public struct AdamWStep: Sendable {
  private let constants: bk_adamw_constants

  /// The constants of step `step`, counted from 1.
  public init(
    step: Int, learningRate: Float, beta1: Float, beta2: Float, epsilon: Float,
    weightDecay: Float, scale: Float = 1
  ) {
    let correction1 = 1 - SystemMath.power(Double(beta1), Double(step))
    let correction2 = 1 - SystemMath.power(Double(beta2), Double(step))
    constants = bk_adamw_constants(
      scale: scale, decay: 1 - learningRate * weightDecay, keep1: 1 - beta1, keep2: beta2,
      rate: Float(Double(learningRate) / correction1),
      inverse_root: Float(1 / correction2.squareRoot()), epsilon: epsilon)
  }

  /// Updates a parameter and its running means of gradients and of squared gradients, all of the
  /// gradient's shape.
  public func update(
    _ parameter: inout Tensor, gradient: Tensor, mean: inout Tensor, variance: inout Tensor
  ) {
    update(&parameter, gradient: gradient, mean: &mean, variance: &variance, kernels: .active)
  }

  package func update(
    _ parameter: inout Tensor, gradient: Tensor, mean: inout Tensor, variance: inout Tensor,
    kernels: KernelSet
  ) {
    precondition(
      [parameter.shape, mean.shape, variance.shape].allSatisfy { $0 == gradient.shape },
      "a gradient of shape \(gradient.shape) for a parameter of shape \(parameter.shape)")
    let training = kernels.table.pointee.training.pointee
    parameter.withUnsafeMutablePointer { p in
      mean.withUnsafeMutablePointer { m in
        variance.withUnsafeMutablePointer { v in
          gradient.withUnsafePointer { g in
            ThreadPool.shared.parallelFor(gradient.count, grain: Tensor.parallelGrain) { range in
              let i = range.lowerBound
              var constants = constants
              training.adamw(range.count, &constants, g + i, p + i, m + i, v + i)
            }
          }
        }
      }
    }
  }
}
