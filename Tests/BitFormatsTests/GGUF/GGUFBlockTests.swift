import BitCore
import BitFormats
import Testing

/// Blocks of numbers with scales, as PyPI's gguf reads them; generate_gguf_blocks.py made the files.
@Suite struct GGUFBlockTests {
  static let names = ["q8_0", "q4_0", "q4_1", "q6_k"]

  @Test(arguments: names) func `blocks have the bits that the reference reads`(name: String) throws
  {
    let file = try GGUFGolden.file("blocks.gguf")
    let expected = try GGUFGolden.safetensors("blocks_expected.safetensors")
    let tensors = file.tensors.filter { $0.name.utf8.starts(with: name.utf8) }
    #expect(tensors.count == (name.utf8.elementsEqual("q6_k".utf8) ? 1 : 2))
    for tensor in tensors {
      #expect(tensor.type.name.utf8.elementsEqual(name.uppercased().utf8))
      let reference = try expected.tensor(tensor.name)
      #expect(bits(try file.tensor(tensor.name).scalars) == bits(reference.scalars))
      let last = try file.values(tensor.name, rows: 2..<3)
      #expect(bits(last) == bits(Array(reference.scalars.suffix(tensor.shape[1]))))
    }
  }

  /// The same values and products from a matrix of the bytes of the file.
  @Test(arguments: names) func `a weight matrix multiplies these values`(name: String) throws {
    let file = try GGUFGolden.file("blocks.gguf")
    let tensor = try #require(file.tensors.first { $0.name.utf8.starts(with: name.utf8) })
    let type = try #require(GGUFNumberCodec(tensor.type)).weightType
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    let bytes = try file.withUnsafeBytes(of: tensor.name) { Array($0) }
    let matrix = try WeightMatrix(
      AlignedBuffer(bytes), type, rows: rows, columns: columns, source: "t")
    let values = try file.tensor(tensor.name)
    #expect(bits(matrix.values(ofRows: 0..<rows)) == bits(values.scalars))
    let x = Tensor((0..<columns).map { Float($0 % 7) - 3 }, shape: [1, columns])
    let product = matrix.matmul(x)
    #expect(bits(product.scalars) == bits(WeightMatrix(values).matmul(x).scalars))
  }
}
