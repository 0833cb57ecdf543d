/// The output layer of a language model and its loss in one: the mean cross entropy of
/// `logits = hidden weight^T`, and perhaps what a teacher's logits say.
///
/// Logits are computed for some rows at a time and replaced by their gradient, so there is never a
/// matrix of all rows and all tokens. With a teacher of share s and temperature t the loss of a row is
///
///     (1 - s) * crossEntropy + s * t^2 * KL(softmax(teacher / t) || softmax(logits / t))
///
/// (Hinton et al., arXiv 1503.02531). Rows are worked on in an order that does not depend on the
/// number of threads.
public struct OutputLossOperation: Sendable {
  /// What a model is to imitate.
  public struct Teacher: Sendable {
    /// The teacher's normalized hidden states, `[..., features]`, a row for each of the student's.
    public let hidden: Tensor
    /// The teacher's output layer, `[vocabulary, features]`.
    public let weight: Tensor
    /// The share of the loss, 0...1.
    public let share: Float
    /// What logits are divided by, above 0.
    public let temperature: Float

    /// A teacher.
    public init(hidden: Tensor, weight: Tensor, share: Float, temperature: Float = 1) {
      precondition(
        (0...1).contains(share) && temperature > 0, "share \(share), temperature \(temperature)")
      (self.hidden, self.weight) = (hidden, weight)
      (self.share, self.temperature) = (share, temperature)
    }
  }

  /// The loss and its gradients.
  public struct Result: Sendable {
    /// The loss.
    public let loss: Float
    /// The gradient of the hidden states, of their shape.
    public let hidden: Tensor
    /// The gradient of the output layer, `[vocabulary, features]`.
    public let weight: Tensor
  }

  /// The token after each row, or ``ignoredLabel``.
  public let labels: [Int32]
  /// What marks rows that do not count.
  public let ignoredLabel: Int32?
  /// What the sum over rows is divided by.
  public let divisor: Int
  /// What else is to be learned.
  public let teacher: Teacher?
  /// How matrices are multiplied.
  public let matmul: FloatMatmul

  /// Logits that are in memory at once, at most, but for a row of a larger vocabulary. Changing it
  /// changes how sums over rows are rounded.
  package var logitCount = 7 << 20

  /// A loss.
  ///
  /// - Parameters:
  ///   - labels: the token after each row, in 0..<vocabulary, or `ignoredLabel`.
  ///   - ignoredLabel: what marks rows that do not count.
  ///   - divisor: what to divide the sum by; nil for the number of rows that count, at least 1.
  ///   - teacher: what else is to be learned.
  ///   - matmul: how to multiply float matrices.
  public init(
    labels: [Int32], ignoredLabel: Int32? = -100, divisor: Int? = nil, teacher: Teacher? = nil,
    matmul: FloatMatmul = .portable
  ) {
    precondition((divisor ?? 1) > 0, "a loss divided by \(divisor ?? 0)")
    (self.labels, self.ignoredLabel, self.teacher) = (labels, ignoredLabel, teacher)
    self.matmul = matmul
    self.divisor = divisor ?? max(1, labels.count { $0 != ignoredLabel })
  }

  /// The loss with its gradients.
  ///
  /// - Parameters:
  ///   - hidden: `[..., features]`, a row for each label.
  ///   - weight: `[vocabulary, features]`.
  public func callAsFunction(_ hidden: Tensor, weight: Tensor) -> Result {
    var losses: [Double] = []
    var weightGradient = Tensor(uninitialized: weight.shape)
    let hiddenGradient = Tensor.build(hidden.shape) { hiddenGradient in
      weightGradient.withUnsafeMutablePointer { weightGradient in
        losses = rowLosses(hidden, weight, (hiddenGradient, weightGradient))
      }
    }
    return Result(
      loss: Float(losses.reduce(0, +) / Double(divisor)), hidden: hiddenGradient,
      weight: weightGradient)
  }

  /// The loss of each row, not divided by anything; 0 for rows that do not count.
  package func losses(_ hidden: Tensor, weight: Tensor) -> [Double] {
    rowLosses(hidden, weight, nil)
  }

  private typealias Gradients = (
    hidden: UnsafeMutablePointer<Float>, weight: UnsafeMutablePointer<Float>
  )

  private func rowLosses(_ hidden: Tensor, _ weight: Tensor, _ gradients: Gradients?) -> [Double] {
    check(hidden, weight)
    let (vocabulary, features) = (weight.shape[0], weight.shape[1])
    guard !labels.isEmpty else {
      gradients?.weight.update(repeating: 0, count: weight.count)
      return []
    }
    let chunk = min(labels.count, max(1, logitCount / vocabulary))
    let logits = AlignedBuffer<Float>(uninitialized: chunk * vocabulary)
    let teacherLogits = AlignedBuffer<Float>(
      uninitialized: teacher == nil ? 0 : chunk * vocabulary)
    defer { withExtendedLifetime((hidden, weight, logits, teacherLogits)) {} }
    let rule = CrossEntropyRow(ignoredLabel: ignoredLabel)
    let weightOperand = FloatMatmul.Operand(values: weight.pointer, stride: features)
    let columns = FloatMatmul.Operand(values: weight.pointer, stride: features, isTransposed: true)
    return [Double](unsafeUninitializedCapacity: labels.count) { losses, count in
      nonisolated(unsafe) let losses = losses
      for first in stride(from: 0, to: labels.count, by: chunk) {
        let rows = min(chunk, labels.count - first)
        let states = FloatMatmul.Operand(
          values: hidden.pointer + first * features, stride: features)
        matmul.multiply(rows, vocabulary, features, states, columns, into: logits.pointer)
        computeTeacher(first, rows, into: teacherLogits.pointer)
        ThreadPool.shared.parallelFor(rows) { range in
          let scratch = AlignedBuffer<Float>(uninitialized: teacher == nil ? 0 : 2 * vocabulary)
          defer { withExtendedLifetime(scratch) {} }
          for index in range {
            let line = logits.pointer + index * vocabulary
            let label = labels[first + index]
            if let teacher, label != ignoredLabel {
              losses[first + index] = loss(
                line, vocabulary, label, teacher, teacherLogits.pointer + index * vocabulary,
                scratch.pointer, wantsGradient: gradients != nil)
            } else {
              losses[first + index] = rule.loss(
                line, vocabulary, label: label, gradient: gradients == nil ? nil : line,
                divisor: Float(divisor))
            }
          }
        }
        guard let gradients else { continue }
        matmul.multiply(
          rows, features, vocabulary, .init(values: logits.pointer, stride: vocabulary),
          weightOperand, into: gradients.hidden + first * features)
        matmul.multiply(
          vocabulary, features, rows,
          .init(values: logits.pointer, stride: vocabulary, isTransposed: true), states,
          into: gradients.weight, isAdded: first > 0)
      }
      count = labels.count
    }
  }

  /// Writes the logits of the teacher for some rows.
  private func computeTeacher(_ first: Int, _ rows: Int, into logits: UnsafeMutablePointer<Float>) {
    guard let teacher else { return }
    let features = teacher.weight.shape[1]
    matmul.multiply(
      rows, teacher.weight.shape[0], features,
      .init(values: teacher.hidden.pointer + first * features, stride: features),
      .init(values: teacher.weight.pointer, stride: features, isTransposed: true), into: logits)
  }

  /// The loss of a row with a teacher, whose logits are replaced; the gradient replaces the logits.
  private func loss(
    _ x: UnsafeMutablePointer<Float>, _ count: Int, _ label: Int32, _ teacher: Teacher,
    _ y: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>, wantsGradient: Bool
  ) -> Double {
    let (share, temperature, row) = (teacher.share, teacher.temperature, ExponentialRow())
    let (scaled, own) = (scratch, scratch + count)
    for i in 0..<count {
      scaled[i] = x[i] / temperature
      y[i] /= temperature
    }
    let (largest, teachers) = (row.largest(scaled, count), row.largest(y, count))
    guard largest.isFinite, teachers.isFinite else {
      if wantsGradient { x.update(repeating: .nan, count: count) }
      return .nan
    }
    // KL = sum of p (log p - log q), with log p = y - log sum exp y, and likewise for q.
    let sum = row.exponentials(scaled, count, shift: largest, own)
    for i in 0..<count { scaled[i] = y[i] - scaled[i] }
    let teacherSum = row.exponentials(y, count, shift: teachers, y)
    var divergence =
      Double(largest) + PortableMath.log(sum) - Double(teachers) - PortableMath.log(teacherSum)
    let (factor, teacherFactor) = (Float(1 / sum), Float(1 / teacherSum))
    var mean = 0.0
    for i in 0..<count {
      y[i] *= teacherFactor
      mean += Double(y[i]) * Double(scaled[i])
      own[i] = own[i] * factor - y[i]
    }
    divergence += mean
    let rule = CrossEntropyRow(ignoredLabel: ignoredLabel)
    let entropy = rule.loss(
      x, count, label: label, gradient: wantsGradient ? x : nil, divisor: Float(divisor))
    if wantsGradient {
      let pull = share * temperature / Float(divisor)
      for i in 0..<count { x[i] = (1 - share) * x[i] + pull * own[i] }
    }
    return Double(1 - share) * entropy
      + Double(share) * Double(temperature) * Double(temperature) * divergence
  }

  private func check(_ hidden: Tensor, _ weight: Tensor) {
    precondition(
      weight.shape.rank == 2 && hidden.shape.features == weight.shape[1]
        && hidden.shape.rows == labels.count,
      "\(labels.count) labels, hidden states \(hidden.shape) and a weight \(weight.shape)")
    let vocabulary = weight.shape[0]
    precondition(
      labels.allSatisfy { $0 >= 0 && $0 < vocabulary || $0 == ignoredLabel },
      "a label is outside 0..<\(vocabulary)")
    guard let teacher else { return }
    precondition(
      teacher.weight.shape.rank == 2 && teacher.weight.shape[0] == vocabulary
        && teacher.hidden.shape.features == teacher.weight.shape[1]
        && teacher.hidden.shape.rows == labels.count,
      "a teacher of \(teacher.hidden.shape) and \(teacher.weight.shape) for \(hidden.shape) "
        + "and \(weight.shape)")
  }
}
