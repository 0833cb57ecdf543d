import BitCore
@testable import BitFiles
import BitFormats
import Testing

@Suite struct JSONParserTests {
  @Test func readsEveryKindOfValue() throws {
    let text = " {\"a\" : [1, -2.5, true, false, null, \"x\"],\r\n\t\"b\":{}, \"c\":[ ] } "
    #expect(
      try JSONValue(parsing: text) == [
        "a": [1, -2.5, true, false, nil, "x"], "b": [:], "c": [],
      ])
  }

  @Test func keepsTheOrderOfKeys() throws {
    let value = try JSONValue(parsing: #"{"z":1,"a":2,"m":3}"#)
    #expect(value.objectValue?.map(\.key) == ["z", "a", "m"])
  }

  @Test(arguments: [
    ("0", 0), ("-1", -1), ("9223372036854775807", Int64.max),
    ("-9223372036854775808", Int64.min), ("9007199254740993", 9_007_199_254_740_993),
    // Up to 18 digits are read in another way than more.
    ("999999999999999999", 999_999_999_999_999_999),
    ("-100000000000000000", -100_000_000_000_000_000),
    ("1000000000000000000", 1_000_000_000_000_000_000),
    ("-1000000000000000000", -1_000_000_000_000_000_000),
  ])
  func keepsIntegersExactly(text: String, value: Int64) throws {
    #expect(try JSONValue(parsing: text) == .integer(value))
  }

  @Test(arguments: [
    ("1.0", 1), ("1e2", 100), ("1E+2", 100), ("25e-1", 2.5), ("0.1", 0.1),
    ("9223372036854775808", 0x1p63), ("18446744073709551615", 0x1p64),
    ("5e-324", .leastNonzeroMagnitude),
    ("1e-999", 0), ("1.7976931348623157e308", 1.7976931348623157e308),
    ("123456789012345678e0", 123456789012345678.0), ("12345678901234567.5", 12345678901234567.5),
    ("123456789012345678901234567890", 123456789012345678901234567890.0),
  ])
  func readsNumbers(text: String, value: Double) throws {
    #expect(try JSONValue(parsing: text) == .number(value))
  }

  @Test func keepsTheSignOfZero() throws {
    #expect(try JSONValue(parsing: "-0").doubleValue?.sign == .minus)
    #expect(try JSONValue(parsing: "-0.0").doubleValue?.sign == .minus)
  }

  @Test(arguments: [
    (#""""#, ""), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
    (#""\u0041\u00e9\u20AC""#, "A\u{e9}\u{20ac}"), (#""\u0000""#, "\0"),
    (#""\ud83d\ude00""#, "\u{1f600}"), (#""\udbff\udfff""#, "\u{10ffff}"),
    ("\"\u{e9}\u{1f600}\u{7f}\"", "\u{e9}\u{1f600}\u{7f}"), (#""a\u0062c\nd""#, "abc\nd"),
  ])
  func readsStrings(text: String, value: String) throws {
    let read = try JSONValue(parsing: text).stringValue
    #expect(read.map { Array($0.utf8) } == Array(value.utf8))
  }

  @Test(arguments: [
    ("", "the end of the text at byte 0, expected a value"),
    ("  ", "the end of the text at byte 2, expected a value"),
    ("{", "the end of the text at byte 1, expected a key in quotation marks"),
    ("[1", "the end of the text at byte 2, expected ',' or ']'"),
    ("[1,]", "']' at byte 3, expected a value"),
    ("[1 2]", "'2' at byte 3, expected ',' or ']'"),
    (#"{"a" 1}"#, "'1' at byte 5, expected ':'"),
    (#"{"a":1,}"#, "'}' at byte 7, expected a key in quotation marks"),
    (#"{"a":1 "b":2}"#, #"'"' at byte 7, expected ',' or '}'"#),
    ("{a:1}", "'a' at byte 1, expected a key in quotation marks"),
    ("{} {}", "'{' at byte 3, expected the end"),
    ("1\0", "the byte 0x00 at byte 1, expected the end"),
    ("\u{feff}1", "the byte 0xef at byte 0, expected a value"),
    ("nul", "the end of the text at byte 3, expected null"),
    ("True", "'T' at byte 0, expected a value"),
    ("NaN", "'N' at byte 0, expected a value"),
    ("01", "'1' at byte 1, expected the end"),
    ("-01", "'1' at byte 2, expected the end"),
    ("--1", "'-' at byte 1, expected a digit"),
    ("123456789.", "the end of the text at byte 10, expected a digit"),
    ("+1", "'+' at byte 0, expected a value"),
    ("-", "the end of the text at byte 1, expected a digit"),
    ("1.", "the end of the text at byte 2, expected a digit"),
    (".5", "'.' at byte 0, expected a value"),
    ("1e", "the end of the text at byte 2, expected a digit"),
    ("1e+-2", "'-' at byte 3, expected a digit"),
    ("1e999", "the number 1e999 at byte 0, expected a number that a double can hold"),
    ("\"a\nb\"", #"the byte 0x0a at byte 2, expected a character or '"'"#),
    ("\"a", #"the end of the text at byte 2, expected a character or '"'"#),
    (#""\x""#, #"'x' at byte 2, expected one of " \ / b f n r t u after a backslash"#),
    (#""\u12g4""#, "'g' at byte 5, expected four hexadecimal digits"),
    (#""\ud83d""#, "half of a surrogate pair at byte 1, expected both halves"),
    (#""\ud83dx""#, "half of a surrogate pair at byte 1, expected both halves"),
    (#""\ud83d\n""#, "half of a surrogate pair at byte 1, expected both halves"),
    (#""\ud83d\u0041""#, "half of a surrogate pair at byte 1, expected both halves"),
    (#""\ude00""#, "half of a surrogate pair at byte 1, expected both halves"),
    ("'a'", "''' at byte 0, expected a value"),
    ("[1]//", "'/' at byte 3, expected the end"),
  ])
  func rejectsWithTheByteAndTheReason(text: String, message: String) {
    let error = #expect(throws: InputError.self) {
      try JSONValue(parsing: text, source: "file.json")
    }
    #expect(error?.kind == .malformed)
    #expect(error?.description == "file.json: found \(message)")
  }

  @Test(arguments: [
    [0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80],
  ])
  func rejectsInvalidUTF8(inside: [UInt8]) {
    for prefix in ["\"", "\"\\n", "{\""] {
      let error = #expect(throws: InputError.self) {
        try JSONValue(parsing: Array(prefix.utf8) + inside + Array("\"".utf8))
      }
      #expect(error?.found.hasPrefix("invalid UTF-8 in the string at byte ") == true)
    }
  }

  @Test(arguments: [("[", "]"), (#"{"a":"#, "}")])
  func takesADepthOf64AndNoMore(open: String, close: String) throws {
    func nested(_ depth: Int) -> String {
      String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
    }
    #expect(try JSONValue(parsing: nested(64)).encoded == nested(64))
    let error = #expect(throws: InputError.self) { try JSONValue(parsing: nested(65)) }
    #expect(error?.found == "nesting of depth 65 at byte \(64 * open.utf8.count)")
    #expect(error?.expected == "at most 64")
    // Depth is what is open at a time, not what was opened in all.
    let wide = "[" + Array(repeating: "[]", count: 100).joined(separator: ",") + "]"
    #expect(try JSONValue(parsing: wide).arrayValue?.count == 100)
  }

  @Test func aHugeNestingDoesNotExhaustTheStack() {
    #expect(throws: InputError.self) {
      try JSONValue(parsing: [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000))
    }
  }

  @Test func limitsTheNumberOfValues() throws {
    let options = JSONOptions(maximumValues: 4)
    #expect(try JSONValue(parsing: "[1,2,3]", options: options) == [1, 2, 3])
    let error = #expect(throws: InputError.self) {
      try JSONValue(parsing: "[1,2,3,4]", options: options)
    }
    #expect(error?.description == "JSON: found more values at byte 7, expected at most 4")
  }

  @Test func treatsDuplicateKeysAsAsked() throws {
    let text = #"{"a":1,"b":2,"\u0061":3}"#
    let error = #expect(throws: InputError.self) { try JSONValue(parsing: text) }
    #expect(
      error?.description == #"JSON: found the key "a" again at byte 13, expected every key once"#)
    #expect(
      try JSONValue(parsing: text, options: JSONOptions(duplicateKeys: .keepLast))
        == ["a": 3, "b": 2])
    let all = try JSONValue(parsing: text, options: JSONOptions(duplicateKeys: .keepAll))
    #expect(all.encoded == #"{"a":1,"b":2,"a":3}"#)
    #expect(all["a"] == 3)
  }

  @Test func comparesKeysByTheirBytes() throws {
    let value = try JSONValue(parsing: #"{"\u00e9":1,"e\u0301":2}"#)
    #expect(value.objectValue?.count == 2)
    #expect(value["\u{e9}"] == 1)
    #expect(value["e\u{301}"] == 2)
  }
}
