import BitCore
import BitNN

/// The codes of all BitLinear layers of a model at some moment.
public struct CodeSnapshot: Sendable {
  /// The codes of a layer.
  public struct Layer: Sendable {
    /// The name in the model.
    public let name: String
    /// What the codes can be.
    public let alphabet: WeightAlphabet
    /// The number of codes.
    public let count: Int
    /// The codes as `CodeMatrix.packedRows` has them.
    let bytes: [UInt8]
    private let unused: Int

    init(_ name: String, _ matrix: CodeMatrix) {
      self.name = name
      (alphabet, count) = (matrix.alphabet, matrix.rows * matrix.columns)
      bytes = matrix.packedRows
      // Fields at the ends of rows, which are 0.
      unused = bytes.count * alphabet.codesPerByte - count
    }

    /// How many codes have each value: -1, 0 (ternary only), +1.
    public var counts: [Int] {
      var counts = [Int](repeating: 0, count: 4)
      for byte in bytes {
        switch alphabet {
        case .ternary: for field in 0..<4 { counts[Int(byte >> (2 * field) & 3)] += 1 }
        case .sign:
          counts[1] += byte.nonzeroBitCount
          counts[0] += 8 - byte.nonzeroBitCount
        }
      }
      counts[0] -= unused
      return Array(counts.prefix(alphabet == .ternary ? 3 : 2))
    }

    /// The share of each value, in the order of ``counts``.
    public var shares: [Double] { counts.map { Double($0) / Double(max(1, count)) } }

    /// The number of codes that differ from those of an earlier moment.
    func flips(since earlier: Layer) -> Int {
      zip(bytes, earlier.bytes).reduce(0) { sum, pair in
        let difference = pair.0 ^ pair.1
        let fields = alphabet == .ternary ? (difference | difference >> 1) & 0x55 : difference
        return sum + fields.nonzeroBitCount
      }
    }
  }

  /// The layers in the order of the model.
  public let layers: [Layer]

  /// The codes of a model as it is.
  public init(of model: some Module) {
    layers = model.packedLayers().map { Layer($0.name, $0.layer.matrix) }
  }

  /// The share of all codes that differ from those of an earlier moment of the same model; 0 without
  /// any.
  public func flips(since earlier: CodeSnapshot) -> Double {
    precondition(
      layers.map(\.name) == earlier.layers.map(\.name), "codes of two different models")
    let count = layers.reduce(0) { $0 + $1.count }
    let changed = zip(layers, earlier.layers).reduce(0) { $0 + $1.0.flips(since: $1.1) }
    return Double(changed) / Double(max(1, count))
  }
}

extension WeightAlphabet {
  fileprivate var codesPerByte: Int { self == .ternary ? 4 : 8 }
}
