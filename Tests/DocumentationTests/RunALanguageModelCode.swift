import BitLM
import BitTokenizers
import Foundation
import Testing

/// The code of the article "Run a language model", of the page of BitTokenizers and of the README,
/// on a small model with random weights.
@Suite struct RunALanguageModelCode {
  private let path = goldenFolder + "/lm/llama-b158-256"

  @Test func chatOfTheReadme() async throws {
    // README.md, block 2
    let model = try LanguageModel.load(path: path)  // "model.gguf", or a folder
    let chat = try ChatSession(model, instructions: "You answer in one sentence.")
    for try await piece in chat.streamResponse(to: "What is the capital of France?") {
      print(piece.text, terminator: "")
    }
    // End of block 2
    #expect(chat.messages.count == 3)
    #expect(chat.lastResult?.promptTokens ?? 0 > 10)
  }

  @Test func article() async throws {
    // RunALanguageModel.md, block 1
    let model = try LanguageModel.load(path: path)  // "model.gguf", or a folder
    print(model.configuration.family, model.contextLength, model.vocabularySize)
    // End of block 1
    #expect(model.contextLength == model.configuration.contextLength)

    // RunALanguageModel.md, block 2
    var options = GenerationOptions(maxTokens: 20, stopStrings: ["\n\n"])
    options.sampling.temperature = 0  // always the most likely token
    let result = try model.generate(prompt: "Once upon a time", options: options)
    print(result.text, result.finishReason, result.generatedTokensPerSecond)
    // End of block 2
    #expect(result.ids.count <= 20 && result.promptTokens > 0)

    var streamed = ""
    // RunALanguageModel.md, block 3
    for try await piece in model.stream(prompt: "Once upon a time", options: options) {
      print(piece.text, terminator: "")
    }
    // End of block 3
    for try await piece in model.stream(prompt: "Once upon a time", options: options) {
      streamed += piece.text
    }
    #expect(streamed == result.text)

    try await withTemporaryFolder { folder in
      let conversation = "\(folder)/conversation.json"
      // RunALanguageModel.md, block 4
      let chat = try ChatSession(
        model, instructions: "You answer in one sentence.", options: options)
      print(try await chat.respond(to: "What is the capital of France?"))
      print(chat.messages.count)  // 3
      try chat.save(to: conversation)  // "conversation.json"
      // End of block 4
      #expect(chat.messages.count == 3)
      let other = try ChatSession(model)
      try other.load(from: conversation)
      #expect(other.messages == chat.messages)
    }

    // RunALanguageModel.md, block 5
    let embedding = try model.embedding(ids: model.requiredTokenizer().encode("Once upon a time"))
    print(embedding.count)  // model.configuration.hiddenSize
    // End of block 5
    #expect(embedding.count == model.configuration.hiddenSize)
    #expect(abs(embedding.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
  }

  @Test func tokenizer() throws {
    let folder = path
    // BitTokenizers.md, block 1
    let tokenizer = try Tokenizer(folder: folder)  // "SmolLM2-135M-Instruct"
    let ids = try tokenizer.encode("Once upon a time")
    let text = tokenizer.decode(ids, skipSpecialTokens: true)  // "Once upon a time"
    // End of block 1
    #expect(text == "Once upon a time")
    var rest = ids[...]
    func nextID() -> Int32? { rest.popFirst() }
    // BitTokenizers.md, block 2
    var decoder = tokenizer.streamingDecoder(skipSpecialTokens: true)
    while let id = nextID(), !tokenizer.isEndOfGeneration(id) {
      print(decoder.append(id), terminator: "")
    }
    print(decoder.finish())
    // End of block 2
    #expect(rest.isEmpty)
  }
}
