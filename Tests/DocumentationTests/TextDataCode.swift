import BitTokenizers
import BitTraining
import Foundation
import Testing

/// The code of the page of BitTraining.
@Suite struct TextDataCode {
  @Test func windows() throws {
    try withTemporaryFolder { folder in
      let text = (0..<400).map { "This is sentence \($0)." }.joined(separator: "\n")
      try text.write(toFile: folder + "/novel.txt", atomically: true, encoding: .utf8)
      // BitTraining.md, block 1
      let data = try TextData(
        paths: [folder],  // "novels"
        validationShare: 0.05, seed: 0, tokenizer: Tokenizer(.bytes), length: 256)
      let windows = try TokenWindows(data.training, length: 256, seed: 0)
      let (inputs, labels) = windows.batch(0, of: 16)  // of shape [16, 256]
      // End of block 1
      #expect(inputs.count == 16 * 256 && labels.count == inputs.count)
      #expect(data.training.count + (data.validation?.count ?? 0) == text.utf8.count + 1)
    }
  }
}
