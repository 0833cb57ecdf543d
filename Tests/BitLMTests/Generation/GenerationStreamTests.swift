import BitCore
import Synchronization
import Testing

@testable import BitLM

@Suite("Streams of generated text")
struct GenerationStreamTests {
  @Test("A stream gives the pieces of the text, the result with the last")
  func pieces() async throws {
    let options = GenerationOptions(sampling: SamplingOptions(seed: 3), maxTokens: 40)
    let expected = try TokenGeneratorTests.generate(FakeModel(), options)
    var text = ""
    var result: GenerationResult?
    for try await piece in try TokenGeneratorTests.generator(FakeModel(), options).stream() {
      #expect(result == nil)
      text += piece.text
      result = piece.result
    }
    #expect(text == expected.text)
    #expect(result?.tokens == expected.tokens)
  }

  @Test("A stream that is no longer read ends generating")
  func ended() async throws {
    let model = FakeModel(contextLength: 1 << 20)
    let (ends, end) = AsyncStream.makeStream(of: GenerationResult?.self)
    func read() async throws {
      let generator = try TokenGeneratorTests.generator(model, GenerationOptions())
      for try await _ in generator.stream(ended: { end.yield($0) }) { return }
    }
    try await read()
    var iterator = ends.makeAsyncIterator()
    let last = await iterator.next()
    #expect(last??.finishReason == .cancelled)
  }

  @Test("A cancelled task ends its stream")
  func cancelledTask() async throws {
    let model = FakeModel(contextLength: 1 << 20)
    let stream = try TokenGeneratorTests.generator(model, GenerationOptions()).stream()
    let (starts, start) = AsyncStream.makeStream(of: Void.self)
    let reader = Task {
      for try await _ in stream { start.yield() }
    }
    var iterator = starts.makeAsyncIterator()
    _ = await iterator.next()
    reader.cancel()
    try await reader.value
  }

  @Test("The model's error ends the stream")
  func error() async throws {
    let model = FakeModel(failure: 20)
    let stream = try TokenGeneratorTests.generator(model, GenerationOptions()).stream()
    await #expect(throws: InputError.self) {
      for try await _ in stream {}
    }
  }
}
