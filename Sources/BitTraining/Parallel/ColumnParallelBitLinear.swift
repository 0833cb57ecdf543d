import BitCore
import BitNN
import _Differentiation

/// A BitLinear layer whose output rows are divided among processes, as PyTorch's ColwiseParallel
/// divides a Linear layer.
///
/// Each process has the rows of some of the layer's groups. A group has weight statistics of its
/// own, so no process needs to know the weights of another (arXiv 2310.11453, section 2.3). The
/// input is the same in all processes; the outputs are put next to each other, so that every process
/// gets the whole output.
///
/// - At full strength the output has the bits of the undivided layer's, because its products are
///   sums of integers. Below it floats are multiplied, which a BLAS may round otherwise for other
///   extents.
/// - Gradients of weights and bias are those of the rows in the undivided layer, computed from the
///   same numbers; a BLAS may round them otherwise.
/// - Gradients of the input, and of the norm, which every process has, are summed over the
///   processes, in the order of ``BatchParts``: they are the same in all processes, and differ from
///   the undivided layer's by rounding.
///
/// The parameters are those of ``shard``: what is saved of the model is the part of one process,
/// and ``whole()`` is the layer to save. For the same reason `clipNorm` of an optimizer would clip
/// each process's gradients by another factor, and must not be used with such layers.
///
/// A call of the layer, and of its reverse rule, is a call of the group. They cannot throw: an error
/// of the connection ends all processes.
public struct ColumnParallelBitLinear: Layer, Sendable {
  /// The rows of this process, with its groups.
  public var shard: BitLinear
  /// The processes that have the layer together.
  @noDerivative public let group: ProcessGroup

  /// The share of this process of an undivided layer, which has the same parameters in all of them.
  ///
  /// - Throws: `InputError` if the number of processes is not a power of two or does not divide the
  ///   groups of the layer.
  public init(_ layer: BitLinear, over group: ProcessGroup) throws(InputError) {
    try group.requirePowerOfTwo()
    guard layer.groups % group.count == 0 else {
      throw InputError(
        .mismatch, source: "BitLinear over \(group.count) processes",
        found: "\(layer.groups) groups of rows",
        expected: "a multiple of \(group.count), so that no group is divided")
    }
    let share = layer.groups / group.count
    shard = layer.rows(ofGroups: group.rank * share..<(group.rank + 1) * share)
    self.group = group
  }

  /// The output `[..., out]` of the undivided layer for an input `[..., in]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor {
    Self.forward(shard, input, group)
  }

  /// The undivided layer, of the rows of all processes, in each of them.
  public func whole() throws(InputError) -> BitLinear {
    precondition(!shard.isPacked, "the rows of packed BitLinear layers cannot be put together")
    let weights = try group.gather(shard.weight)
    var bias: Tensor?
    if let own = shard.bias { bias = Tensor.joined(try group.gather(own)) }
    var layer = BitLinear(
      weight: .joined(weights), bias: bias, groups: shard.groups * group.count,
      recipe: shard.recipe, learnsNorm: shard.normWeight != nil)
    layer.normWeight = shard.normWeight
    layer.normBias = shard.normBias
    layer.frozenParameters = shard.frozenParameters
    layer.strength = shard.strength
    return layer
  }

  /// Names of parameters that are not trained, in all processes the same.
  public var frozenParameters: Set<String> {
    get { shard.frozenParameters }
    set { shard.frozenParameters = newValue }
  }

  /// Shows the parameters of the rows of this process, under the names of the undivided layer.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    shard.visitChildren(visit, gradient: gradient?.shard)
  }

  private static func forward(_ shard: BitLinear, _ input: Tensor, _ group: ProcessGroup) -> Tensor
  {
    group.orEnd { () throws(InputError) in try group.gatherFeatures(shard(input)) }
  }

  @derivative(of: forward, wrt: (shard, input))
  private static func forwardDerivative(
    _ shard: BitLinear, _ input: Tensor, _ group: ProcessGroup
  ) -> (value: Tensor, pullback: (Tensor) -> (BitLinear.TangentVector, Tensor)) {
    let (output, pullback) = valueWithPullback(at: shard, input) { $0($1) }
    return (
      group.orEnd { () throws(InputError) in try group.gatherFeatures(output) },
      { upstream in
        if upstream.isZeroElement { return (.zero, .zero) }
        var (gradient, inputGradient) = pullback(group.ownFeatures(upstream))
        sum(&gradient, &inputGradient, group)
        return (gradient, inputGradient)
      }
    )
  }

  @derivative(of: forward, wrt: shard)
  private static func shardDerivative(
    _ shard: BitLinear, _ input: Tensor, _ group: ProcessGroup
  ) -> (value: Tensor, pullback: (Tensor) -> BitLinear.TangentVector) {
    let (output, pullback) = valueWithPullback(at: shard) { $0(input) }
    return (
      group.orEnd { () throws(InputError) in try group.gatherFeatures(output) },
      { upstream in
        if upstream.isZeroElement { return .zero }
        var gradient = pullback(group.ownFeatures(upstream))
        var inputGradient = Tensor.zero
        sum(&gradient, &inputGradient, group)
        return gradient
      }
    )
  }

  /// Adds up what each process has a share of: the gradients of the input and of the norm.
  private static func sum(
    _ gradient: inout BitLinear.TangentVector, _ input: inout Tensor, _ group: ProcessGroup
  ) {
    var shared = [input, gradient.normWeight.value ?? .zero, gradient.normBias.value ?? .zero]
    group.orEnd { () throws(InputError) in try group.sum(&shared) }
    input = shared[0]
    if gradient.normWeight.value != nil { gradient.normWeight.value = shared[1] }
    if gradient.normBias.value != nil { gradient.normBias.value = shared[2] }
  }
}

extension ColumnParallelBitLinear: CustomStringConvertible {
  /// The rows of this process in a few words, and the number of processes.
  public var description: String { "\(shard) of \(group.count) processes" }
}

extension ProcessGroup {
  /// The result of `body`; an error, which a layer cannot throw, ends all processes.
  fileprivate func orEnd<R>(_ body: () throws(InputError) -> R) -> R {
    do { return try body() } catch { end(with: error) }
  }
}

extension Tensor {
  /// Tensors of one shape one after another along the first axis.
  fileprivate static func joined(_ parts: [Tensor]) -> Tensor {
    let shape = parts[0].shape
    return Tensor.build(Shape([parts.count * shape[0]] + shape.dropFirst())) { out in
      for (index, part) in parts.enumerated() {
        part.withUnsafePointer {
          (out + index * part.count).update(from: $0, count: part.count)
        }
      }
    }
  }
}
