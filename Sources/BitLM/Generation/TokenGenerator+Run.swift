import BitCore

extension TokenGenerator {
  /// Generates the whole text without giving the thread away.
  ///
  /// - Parameters:
  ///   - isCancelled: Asked after each step whether to end here.
  ///   - show: Is given each piece as soon as it is there.
  package mutating func run(
    isCancelled: () -> Bool, show: (GeneratedPiece) -> Void = { _ in }
  ) throws(InputError) -> GenerationResult {
    var result = GenerationResult()
    while let piece = try next() {
      if piece != GeneratedPiece() { show(piece) }
      if let last = piece.result { result = last }
      if isCancelled() { cancel() }
    }
    return result
  }

  /// Generates the whole text and lets other tasks have this thread between the steps; ends early
  /// if the task is cancelled.
  ///
  /// - Parameter show: Is given each piece as soon as it is there.
  package mutating func run(
    show: (GeneratedPiece) -> Void
  ) async throws(InputError) {
    while let piece = try next() {
      if piece != GeneratedPiece() { show(piece) }
      if Task.isCancelled { cancel() }
      await Task.yield()
    }
  }

  /// Generates the text in a task of its own, which ends when the pieces are no longer read.
  ///
  /// - Parameter ended: Is called once when nothing more is generated: with the result, which is
  ///   nil after an error.
  package func stream(
    ended: @escaping @Sendable (GenerationResult?) -> Void = { _ in }
  ) -> AsyncThrowingStream<GeneratedPiece, any Error> {
    AsyncThrowingStream { continuation in
      let task = Task.detached {
        var generator = self
        do {
          try await generator.run { piece in
            if let result = piece.result { ended(result) }
            continuation.yield(piece)
          }
          continuation.finish()
        } catch {
          ended(nil)
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }
}
