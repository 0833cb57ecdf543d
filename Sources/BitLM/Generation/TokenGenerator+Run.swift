import BitCore

extension TokenGenerator {
  /// Generates the whole text.
  ///
  /// - Parameters:
  ///   - isCancelled: Asked after each step whether to end here.
  ///   - show: Is given each piece as soon as it is there.
  package mutating func run(
    isCancelled: () -> Bool = { Task.isCancelled }, show: (GeneratedPiece) -> Void = { _ in }
  ) throws(InputError) -> GenerationResult {
    var result = GenerationResult()
    while let piece = try next() {
      if piece != GeneratedPiece() { show(piece) }
      if let last = piece.result { result = last }
      if isCancelled() { cancel() }
    }
    return result
  }

  /// Generates the text in a task of its own, which ends when the pieces are no longer read.
  ///
  /// - Parameter ended: Is called once when nothing more is generated: with the cache and the
  ///   result, which is nil after an error.
  package func stream(
    ended: @escaping @Sendable (TokenCache, GenerationResult?) -> Void = { _, _ in }
  ) -> AsyncThrowingStream<GeneratedPiece, any Error> {
    AsyncThrowingStream { continuation in
      let task = Task.detached {
        var generator = self
        var result: GenerationResult?
        do {
          while let piece = try generator.next() {
            result = piece.result
            // The next prompt may be given as soon as the last piece is read.
            if result != nil { ended(generator.cache, result) }
            if piece != GeneratedPiece() { continuation.yield(piece) }
            if Task.isCancelled { generator.cancel() }
            // Steps are long: let other tasks have this thread.
            await Task.yield()
          }
          continuation.finish()
        } catch {
          ended(generator.cache, nil)
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }
}
