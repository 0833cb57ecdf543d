import BitCore
import BitFormats
@testable import BitTraining
import Foundation
import TestSupport
import Testing

import BitNN

@Suite struct EvaluationTests {
  private let plain = Standardization(mean: 0, deviation: 1)

  /// Samples whose two features are the logits of a model that does nothing.
  private func logits(_ rows: [[Float]], _ labels: [Int32]) throws -> LabeledDataset {
    try LabeledDataset(
      name: "logits", values: rows.flatMap { $0 }, sampleShape: [rows[0].count], labels: labels)
  }

  @Test func numbersFollowFromTheLogits() throws {
    let rows: [[Float]] = [[2, 0, -1], [0, 1, 0.5], [1, 1, 1], [-100, 0, 100]]
    let labels: [Int32] = [0, 2, 0, 2]
    let result = Evaluation.measure(on: try logits(rows, labels), standardization: plain) { $0 }
    #expect(result.predictions == [0, 1, 0, 2])
    #expect(result.accuracy == 0.75)
    let softmax = rows.map { row -> [Double] in
      let powers = row.map { exp(Double($0) - Double(row.max() ?? 0)) }
      return powers.map { $0 / powers.reduce(0, +) }
    }
    for (i, confidence) in result.confidences.enumerated() {
      #expect(abs(Double(confidence) - (softmax[i].max() ?? 0)) < 1e-6)
    }
    let loss = zip(softmax, labels).reduce(0.0) { $0 - log($1.0[Int($1.1)]) } / 4
    #expect(abs(result.loss - loss) < 1e-6)
    #expect(result.seconds >= 0)
  }

  @Test(arguments: [1, 7, 16, 37, 500])
  func batchesGiveTheSame(_ batchSize: Int) throws {
    let data = try syntheticData(train: 30, test: 37).test
    let standardization = Standardization(mean: 0.5, deviation: 2)
    let model = perceptron([20, 8, 3], .b158)
    var shapes: [Shape] = []
    let result = Evaluation.measure(
      on: data, standardization: standardization, batchSize: batchSize
    ) {
      shapes.append($0.shape)
      return model($0)
    }
    let sizes = shapes.map { $0[0] }
    #expect(sizes.reduce(0, +) == 37)
    #expect(sizes.dropLast().allSatisfy { $0 == batchSize })
    #expect(sizes.last == (37 % batchSize == 0 ? batchSize : 37 % batchSize))

    let whole = model(data.inputs(0..<37, standardization: standardization))
    #expect(result.predictions == Losses.predictions(whole))
    #expect(result.confidences == Losses.probabilities(whole, of: result.predictions))
    let right = zip(result.predictions, data.labels).count { $0 == $1 }
    #expect(result.accuracy == Double(right) / 37)
    let loss = Losses.softmaxCrossEntropy(whole, labels: data.labels).loss
    // A mean over samples, not over batches of unlike size.
    #expect(abs(result.loss - Double(loss)) < 1e-5)
  }

  @Test func logitsThatAreNaNAreNoneOfTheClasses() throws {
    let data = try logits([[1, 2], [3, 4]], [1, 1])
    let result = Evaluation.measure(on: data, standardization: plain) { $0 * .nan }
    #expect(result.loss.isNaN)
    #expect(result.predictions == [0, 0])
    #expect(result.confidences.allSatisfy { $0.isNaN })
  }
}
