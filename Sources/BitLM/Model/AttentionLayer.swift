import BitCore

/// Grouped-query attention with rotary embeddings, from normalized hidden states to what is added to
/// them.
struct AttentionLayer: Sendable {
  let query: Projection
  let key: Projection
  let value: Projection
  let output: Projection
  /// The norms of the queries and keys of each head, before they turn.
  let queryNorm: NormWeight?
  let keyNorm: NormWeight?
  /// The norm before the output projection.
  let subNorm: NormWeight?
  let attention: CausalAttention
  let rotary: RotaryTable
  /// Whether the projections give the pairs that turn side by side.
  let isInterleaved: Bool

  var projections: [Projection] { [query, key, value, output] }

  func makeState(_ precision: CachePrecision) -> AttentionState {
    AttentionState(
      cache: KeyValueCache(
        heads: attention.keyValueHeads, length: attention.length, precision: precision))
  }

  /// Attends for all rows of a batch.
  ///
  /// - Parameters:
  ///   - input: the normalized hidden states.
  ///   - texts: the rows of each text.
  ///   - states: the state of each text in this layer.
  ///   - output: where to write the result, `[rows, hidden]`.
  func callAsFunction(
    _ input: inout ProjectionInput, _ texts: [BatchText], states: inout [AttentionState],
    workspace: Workspace, output: UnsafeMutablePointer<Float>
  ) {
    let rows = workspace.rows
    let (queries, keys, values) = (workspace.queries, workspace.keys, workspace.values)
    input.project(query, to: queries)
    input.project(key, to: keys)
    input.project(value, to: values)
    for index in texts.indices { states[index].cache.append(texts[index].rows.count) }
    let heads = workspace.heads
    let segments = zip(texts, states).map { text, state in
      CausalAttention.Segment(
        cache: state.cache, firstRow: text.rows.lowerBound, count: text.rows.count)
    }
    store(texts, states, queries: queries, keys: keys, values: values, turned: heads)
    let width = query.outFeatures
    attention(
      CausalAttention.Rows(heads, stride: width), segments,
      output: CausalAttention.Rows(queries, stride: width))
    // The queries are not needed any more, and their memory has the result now.
    if let subNorm { subNorm.normalize(queries, stride: width, rows: rows, to: queries) }
    var attended = ProjectionInput(queries, rows: rows, features: width, mode: workspace.mode)
    attended.project(self.output, to: output)
  }

  /// Normalizes and turns queries and keys, and stores keys and values.
  private func store(
    _ texts: [BatchText], _ states: [AttentionState], queries: UnsafeMutablePointer<Float>,
    keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>,
    turned: UnsafeMutablePointer<Float>
  ) {
    let (length, keyValueHeads) = (attention.length, attention.keyValueHeads)
    let math = DecoderMath()
    for (text, state) in zip(texts, states) {
      let first = state.cache.count - text.rows.count
      ThreadPool.shared.parallelFor(text.rows.count, grain: 8) { range in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: length) { key in
          guard let key = key.baseAddress else { return }
          for index in range {
            let (row, position) = (text.rows.lowerBound + index, first + index)
            rotary.withAngles(position) { cosines, sines in
              for head in 0..<attention.heads {
                let place = (row * attention.heads + head) * length
                queryNorm?.normalize(queries + place, math)
                math.rotate(
                  queries + place, length: length, cosines: cosines, sines: sines,
                  isInterleaved: isInterleaved, turned + place)
              }
              for head in 0..<keyValueHeads {
                let place = (row * keyValueHeads + head) * length
                keyNorm?.normalize(keys + place, math)
                math.rotate(
                  keys + place, length: length, cosines: cosines, sines: sines,
                  isInterleaved: isInterleaved, key)
                math.store(
                  key: key, value: values + place, head: head, position: position,
                  in: state.cache)
              }
            }
          }
        }
      }
    }
  }
}
