import BitCore
import BitFormats
import Testing

@testable import bitlinear

@Suite struct ReportTextTableTests {
  @Test func numbersAreAlignedToTheRight() {
    let table = TextTable(
      header: ["Model", "Accuracy", "Size"],
      rows: [["float32", "90.2%", "2.68 MB"], ["b1.58 packed", "8.9%", "168 kB"], ["none", "–"]])
    #expect(
      table.description == """
        Model         Accuracy     Size
        ───────────────────────────────
        float32          90.2%  2.68 MB
        b1.58 packed      8.9%   168 kB
        none                 –

        """)
    #expect(table.isNumeric == [false, true, true])
  }

  @Test func rowsMayBeLongerThanTheHeaderAndHaveLineBreaks() {
    let table = TextTable(header: ["é"], rows: [["a\nb", "c"], []])
    #expect(table.description == "é\n──────\na b  c\n\n")
  }

  @Test func emptyTableIsTwoEmptyLines() {
    #expect(TextTable(header: []).description == "\n\n")
  }

  @Test(arguments: [
    "1", "-1.5", "+3", "1,024", "89.9%", "2.68 MB", "1e-5", "1.5e+3 s", "90.1 ± 0.2%", "≈3x",
  ]) func isNumber(_ text: String) {
    #expect(TextTable.isNumber(text))
  }

  @Test(arguments: ["", "layer 1", "784-512-10", "-", "b1.58", "2 of 3", "2025-11-02", "·5"])
  func isNoNumber(_ text: String) {
    #expect(!TextTable.isNumber(text))
  }
}
