import BitCore

extension ProcessGroup {
  /// Gives `tensor` the values that it has in the process `root`; it must have the same shape in
  /// all of them.
  public func broadcast(_ tensor: inout Tensor, from root: Int = 0) throws(InputError) {
    if count == 1 { return }
    try requireEqual("\(tensor.shape)", "the shape of a tensor")
    try fill(&tensor, from: root)
  }

  /// The tensor that each process has, in the order of their ranks, for all processes. They must
  /// have the same shape.
  public func gather(_ tensor: Tensor) throws(InputError) -> [Tensor] {
    if count == 1 { return [tensor] }
    try requireEqual("\(tensor.shape)", "the shape of a tensor")
    var all = [Tensor](repeating: .zero, count: count)
    for root in all.indices {
      all[root] = root == rank ? tensor : Tensor(uninitialized: tensor.shape)
      try fill(&all[root], from: root)
    }
    return all
  }

  /// The tensors `[..., features]` that each process has, next to each other along the last axis:
  /// `[..., count * features]`, for all processes.
  public func gatherFeatures(_ tensor: Tensor) throws(InputError) -> Tensor {
    if count == 1 { return tensor }
    let parts = try gather(tensor)
    let features = tensor.shape.features
    return Tensor.build(tensor.shape.replacingFeatures(count * features)) { out in
      for (part, values) in parts.enumerated() {
        for row in 0..<tensor.shape.rows {
          (out + (row * count + part) * features).update(
            from: values.pointer + row * features, count: features)
        }
      }
    }
  }

  /// The part of a tensor `[..., features]` that this process would give ``gatherFeatures(_:)``:
  /// `[..., features / count]`.
  func ownFeatures(_ tensor: Tensor) -> Tensor {
    if count == 1 { return tensor }
    let features = tensor.shape.features / count
    return Tensor.build(tensor.shape.replacingFeatures(features)) { out in
      tensor.withUnsafePointer { values in
        for row in 0..<tensor.shape.rows {
          (out + row * features).update(
            from: values + (row * count + rank) * features, count: features)
        }
      }
    }
  }

  private func fill(_ tensor: inout Tensor, from root: Int) throws(InputError) {
    let bytes = tensor.count * MemoryLayout<Float>.stride
    let isSource = rank == root
    // The source's values are only read.
    let source = UnsafeMutableRawPointer(mutating: tensor.pointer)
    if isSource {
      defer { withExtendedLifetime(tensor) {} }
      try broadcast(UnsafeMutableRawBufferPointer(start: source, count: bytes), from: root)
    } else {
      try tensor.withUnsafeMutablePointer { (values) throws(InputError) in
        try broadcast(UnsafeMutableRawBufferPointer(start: values, count: bytes), from: root)
      }
    }
  }
}
