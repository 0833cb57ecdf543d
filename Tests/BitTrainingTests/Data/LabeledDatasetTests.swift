import BitCore
import BitFormats
@testable import BitTraining
import TestSupport
import Testing

import BitNN

@Suite struct LabeledDatasetTests {
  static let bytes: [UInt8] = [0, 10, 20, 30, 40, 255]

  private func byteSet() throws -> LabeledDataset {
    try LabeledDataset(
      name: "set", bytes: Self.bytes, sampleShape: [1, 2], labels: [2, 0, 1])
  }

  private func floatSet() throws -> LabeledDataset {
    try LabeledDataset(
      name: "set", values: Self.bytes.map { Float($0) }, sampleShape: [1, 2], labels: [2, 0, 1])
  }

  @Test func counts() throws {
    let data = try byteSet()
    #expect(data.count == 3)
    #expect(data.featureCount == 2)
    #expect(data.classCount == 3)
    #expect(data.sampleShape == [1, 2])
  }

  @Test(arguments: [false, true])
  func inputsAreNormalizedRows(asBytes: Bool) throws {
    let data = try asBytes ? byteSet() : floatSet()
    let inputs = data.inputs([2, 0, 2], standardization: Standardization(mean: 10, deviation: 3))
    #expect(inputs.shape == [3, 2])
    let scaled: [Float] = [30, 245, -10, 0, 30, 245].map { $0 / 3 }
    #expect(inputs.scalars == scaled)
    #expect(data.labels([2, 0, 2]) == [1, 2, 1])
  }

  @Test func inputsOfASliceAndOfNothing() throws {
    let order = [1, 0, 2]
    let none = Standardization(mean: 0, deviation: 1)
    #expect(try byteSet().inputs(order[1...], standardization: none).scalars == [0, 10, 40, 255])
    #expect(try byteSet().inputs([], standardization: none).shape == [0, 2])
  }

  /// All 256 bytes, against the formula.
  @Test func tableHoldsTheFormula() throws {
    let data = try LabeledDataset(
      name: "set", bytes: Array(0...255), sampleShape: [256], labels: [0])
    let standardization = Standardization(mean: 72.94, deviation: 90.02)
    let expected = (0..<256).map { (Float($0) - 72.94) / 90.02 }
    #expect(data.inputs(0..<1, standardization: standardization).scalars == expected)
  }

  @Test(arguments: [false, true])
  func standardizationOfKnownValues(asBytes: Bool) throws {
    // Mean 355 / 6; sum of squares 68025; variance 68025 / 6 - (355 / 6)^2.
    let result = try (asBytes ? byteSet() : floatSet()).standardization()
    let mean = 355.0 / 6
    #expect(result.mean == Float(mean))
    #expect(abs(result.deviation - Float((68025.0 / 6 - mean * mean).squareRoot())) < 1e-5)
  }

  @Test func normalizedInputsHaveMeanZeroAndDeviationOne() throws {
    let data = try floatSet()
    let inputs = data.inputs(0..<3, standardization: data.standardization()).scalars.map(
      Double.init)
    let mean = inputs.reduce(0, +) / 6
    let variance = inputs.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 6
    #expect(abs(mean) < 1e-6)
    #expect(abs(variance - 1) < 1e-6)
  }

  @Test func equalValuesHaveDeviationOne() throws {
    let bytes = try LabeledDataset(
      name: "set", bytes: [77, 77, 77], sampleShape: [3], labels: [0])
    #expect(bytes.standardization() == Standardization(mean: 77, deviation: 1))
    let floats = try LabeledDataset(
      name: "set", values: [0.1, 0.1, 0.1], sampleShape: [3], labels: [0])
    #expect(floats.standardization() == Standardization(mean: 0.1, deviation: 1))
  }

  @Test func smallVarianceSurvivesALargeMean() throws {
    let data = try LabeledDataset(
      name: "set", values: [8_000_000, 8_000_001], sampleShape: [1], labels: [0, 1])
    #expect(data.standardization().deviation == 0.5)
  }

  @Test(arguments: [false, true])
  func selecting(asBytes: Bool) throws {
    let data = try asBytes ? byteSet() : floatSet()
    let none = Standardization(mean: 0, deviation: 1)
    let chosen = data.selecting([2, 1])
    #expect(chosen.labels == [1, 0])
    #expect(chosen.inputs(0..<2, standardization: none).scalars == [40, 255, 20, 30])
    #expect(chosen.classCount == 3)
    #expect(data.prefix(2).labels == [2, 0])
    #expect(data.prefix(2).inputs([0, 1], standardization: none).scalars == [0, 10, 20, 30])
    #expect(data.prefix(99).count == 3)
  }

  @Test(
    arguments: [
      ([0, 1, 10], 10, "label 10 at index 2, expected labels in 0..<10"),
      ([0, -1, 1], 10, "label -1 at index 1, expected labels in 0..<10"),
      ([-5, 1, 1], nil, "label -5 at index 0, expected labels in 0..<65536"),
      ([0, 2_000_000_000, 1], nil, "label 2000000000 at index 1, expected labels in 0..<65536"),
    ] as [([Int32], Int?, String)])
  func labelOutsideTheClasses(labels: [Int32], classCount: Int?, expected: String) {
    #expect(
      message {
        _ = try LabeledDataset(
          name: "images", bytes: Self.bytes, sampleShape: [2], labels: labels,
          classCount: classCount, labelSource: "labels")
      } == "labels: found \(expected)")
  }

  @Test(arguments: [[0, 1], [0, 1, 0, 1]] as [[Int32]])
  func countsDiffer(labels: [Int32]) {
    #expect(
      message {
        _ = try LabeledDataset(
          name: "images", bytes: Self.bytes, sampleShape: [2], labels: labels,
          labelSource: "labels")
      } == "labels: found \(labels.count) labels, expected one for each of the 3 samples of images")
  }

  @Test func partOfASample() {
    #expect(
      kind {
        _ = try LabeledDataset(
          name: "set", bytes: [1, 2, 3], sampleShape: [2], labels: [0])
      } == .mismatch)
  }

  @Test func emptySets() {
    #expect(
      message { _ = try LabeledDataset(name: "set", bytes: [], sampleShape: [2, 3], labels: []) }
        == "set: found 0 values of sample shape [2, 3] and 0 labels, expected at least one sample")
    #expect(
      message { _ = try LabeledDataset(name: "set", values: [], sampleShape: [0], labels: [1]) }
        == "set: found 0 values of sample shape [0] and 1 labels, expected at least one sample")
  }

  @Test(arguments: [(Float.nan, "nan"), (.infinity, "inf")])
  func valuesThatAreNotFinite(value: Float, shown: String) {
    #expect(
      message {
        _ = try LabeledDataset(name: "set", values: [1, value], sampleShape: [2], labels: [0])
      } == "set: found \(shown) at value 1, expected finite numbers")
  }
}
