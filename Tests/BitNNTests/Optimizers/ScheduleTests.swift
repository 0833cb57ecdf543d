import BitCore
import BitFormats
import Foundation
import TestSupport
import Testing

@testable import BitNN

@Suite struct ScheduleTests {
  @Test func constantIsThePeak() {
    let schedule = LearningRateSchedule(peak: 0.25)
    #expect((0...10).allSatisfy { schedule.rate(step: $0, totalSteps: 10) == 0.25 })
  }

  @Test(
    arguments: [
      LearningRateSchedule.Course.constant, .cosine(), .twoStage(),
    ])
  func warmupRisesEvenlyToThePeak(_ course: LearningRateSchedule.Course) {
    let schedule = LearningRateSchedule(peak: 0.8, course: course, warmupSteps: 4)
    let rates = (0...4).map { schedule.rate(step: $0, totalSteps: 20) }
    for (rate, expected) in zip(rates, [0.2, 0.4, 0.6, 0.8, 0.8] as [Float]) {
      #expect(abs(rate - expected) < 1e-6)
    }
  }

  @Test(arguments: [0, 0.1] as [Float])
  func cosineGoesFromPeakToFinal(_ final: Float) {
    let schedule = LearningRateSchedule(peak: 2, course: .cosine(final: final), warmupSteps: 10)
    #expect(schedule.rate(step: 10, totalSteps: 110) == 2)
    #expect(abs(schedule.rate(step: 60, totalSteps: 110) - (1 + final)) < 1e-6)
    #expect(abs(schedule.rate(step: 110, totalSteps: 110) - 2 * final) < 1e-6)
    #expect(abs(schedule.rate(step: 500, totalSteps: 110) - 2 * final) < 1e-6)
    let rates = (10...110).map { schedule.rate(step: $0, totalSteps: 110) }
    #expect(rates == rates.sorted(by: >))
    for (i, rate) in rates.enumerated() {
      let expected =
        2 * (Double(final) + (1 - Double(final)) * (1 + cos(.pi * Double(i) / 100)) / 2)
      #expect(abs(Double(rate) - expected) < 1e-6)
    }
  }

  @Test func twoStagesDropAtTheMiddle() {
    let schedule = LearningRateSchedule(
      peak: 3, course: .twoStage(firstEnd: 0.5, secondStart: 0.25))
    #expect(schedule.rate(step: 0, totalSteps: 100) == 3)
    #expect(abs(schedule.rate(step: 25, totalSteps: 100) - 2.25) < 1e-6)
    #expect(abs(schedule.rate(step: 49, totalSteps: 100) - 3 * (1 - 0.5 * 0.98)) < 1e-5)
    #expect(schedule.rate(step: 50, totalSteps: 100) == 0.75)
    #expect(abs(schedule.rate(step: 75, totalSteps: 100) - 0.375) < 1e-6)
    #expect(schedule.rate(step: 100, totalSteps: 100) == 0)
    // The published rates of the 700M model: 1.5e-3 to 8e-4, then 5e-4 to 0.
    let published = LearningRateSchedule(peak: 1.5e-3, course: .twoStage())
    #expect(abs(published.rate(step: 49_999, totalSteps: 100_000) - 8e-4) < 1e-7)
    #expect(abs(published.rate(step: 50_000, totalSteps: 100_000) - 5e-4) < 1e-9)
  }

  /// Schedules longer than the training, or no training at all.
  @Test(arguments: [LearningRateSchedule.Course.constant, .cosine(), .twoStage()])
  func shortTrainingsHaveRates(_ course: LearningRateSchedule.Course) {
    let schedule = LearningRateSchedule(peak: 1, course: course, warmupSteps: 10)
    for (step, total) in [(0, 1), (9, 5), (10, 10), (0, 0), (11, 10)] {
      let rate = schedule.rate(step: step, totalSteps: total)
      #expect((0...1).contains(rate))
    }
  }

  @Test func weightDecayEnds() {
    let half = WeightDecaySchedule(0.1, end: 0.5)
    #expect((0..<10).map { half.strength(step: $0, totalSteps: 10) > 0 }.firstIndex(of: false) == 5)
    #expect(half.strength(step: 4, totalSteps: 10) == 0.1)
    let never = WeightDecaySchedule(0.1)
    #expect((0..<10).allSatisfy { never.strength(step: $0, totalSteps: 10) == 0.1 })
    #expect(WeightDecaySchedule(0.1, end: 0).strength(step: 0, totalSteps: 10) == 0)
  }

  @Test func quantizationSetsInEvenly() {
    let warmup = QuantizationWarmup(steps: 4)
    #expect((0...5).map { warmup.strength(step: $0).weights } == [0, 0.25, 0.5, 0.75, 1, 1])
    #expect((0...5).map { warmup.strength(step: $0).activations } == [0, 0.25, 0.5, 0.75, 1, 1])
    #expect(warmup.strength(step: 4) == .full)
    #expect(QuantizationWarmup().strength(step: 0) == .full)
  }
}
