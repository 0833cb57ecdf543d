import BitCore
@testable import BitFiles
import BitFormats
import Testing

@Suite struct JSONValueTests {
  @Test func writesCompactly() {
    let value: JSONValue = ["epoch": 3, "loss": 0.25, "names": ["a", nil, true], "none": [:]]
    let text = #"{"epoch":3,"loss":0.25,"names":["a",null,true],"none":{}}"#
    #expect(value.encoded == text)
    #expect(value.description == text)
  }

  @Test func escapesWhatMustBeEscaped() {
    let value: JSONValue = "\"\\/\u{8}\t\n\u{c}\r\0\u{1}\u{f}\u{10}\u{1f} \u{7f}\u{e9}\u{1f600}"
    #expect(
      value.encoded
        == #""\"\\/\b\t\n\f\r\u0000\u0001\u000f\u0010\u001f "# + "\u{7f}\u{e9}\u{1f600}\"")
  }

  @Test func everyCharacterOfAStringComesBack() throws {
    let scalars = (0...0x10ffff as ClosedRange<UInt32>).lazy.filter { $0 < 0x300 || $0 % 997 == 0 }
    let text = String(String.UnicodeScalarView(scalars.compactMap(Unicode.Scalar.init)))
    let object: JSONValue = .object(JSONObject([(text, .string(text))]))
    #expect(try JSONValue(parsing: object.encoded) == object)
  }

  @Test(arguments: [
    0, -0.0, 1, 0.1, -2.5, 1e-5, 1e16, 1e22, 1e300, .leastNonzeroMagnitude, 0x1p63,
    2.2250738585072014e-308,
    1.7976931348623157e308, 0.30000000000000004, Double(Float(0.1)),
  ])
  func doublesComeBack(value: Double) throws {
    let read = try JSONValue(parsing: JSONValue.number(value).encoded)
    guard case .number(let number) = read else {
      Issue.record("\(value) came back as \(read)")
      return
    }
    #expect(number.bitPattern == value.bitPattern)
  }

  @Test func randomDoublesComeBack() throws {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<2000 {
      let value = Double(bitPattern: generator.next())
      if !value.isFinite { continue }
      let read = try JSONValue(parsing: JSONValue.number(value).encoded)
      #expect(read == .number(value))
    }
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func whatIsNotFiniteIsNull(value: Double) {
    #expect(JSONValue.array([.number(value)]).encoded == "[null]")
  }

  @Test(arguments: [Int64.min, -1, 0, .max])
  func integersComeBack(value: Int64) throws {
    #expect(try JSONValue(parsing: JSONValue.integer(value).encoded) == .integer(value))
  }

  @Test func integersAndNumbersAreNotEqual() {
    #expect(JSONValue.integer(1) != .number(1))
    #expect(JSONValue.integer(1).doubleValue == JSONValue.number(1).doubleValue)
    #expect(JSONValue.number(1).integerValue == nil)
  }

  @Test func looksUpByKeyAndPlace() {
    let value: JSONValue = ["a": [1, "x", false], "b": ["c": 2.5]]
    #expect(value["a"]?[0]?.integerValue == 1)
    #expect(value["a"]?[1]?.stringValue == "x")
    #expect(value["a"]?[2]?.boolValue == false)
    #expect(value["a"]?[3] == nil)
    #expect(value["a"]?[-1] == nil)
    #expect(value["b"]?["c"]?.doubleValue == 2.5)
    #expect(value["b"]?["d"] == nil)
    #expect(value["a"]?["c"] == nil)
    #expect(value[0] == nil)
  }

  @Test func objectsCanBeChanged() {
    var object: JSONObject = ["a": 1, "b": 2]
    object["b"] = 3
    object["c"] = "new"
    object["a"] = .some(nil)
    #expect(JSONValue.object(object).encoded == #"{"a":null,"b":3,"c":"new"}"#)
    object["a"] = Optional<JSONValue>.none
    #expect(object == ["b": 3, "c": "new"])
    #expect(object != ["c": "new", "b": 3])
  }

  @Test func indentsAsPythonDoes() {
    let value: JSONValue = ["a": [1, [:], []], "b": ["c": 1.5], "\n": nil]
    #expect(
      value.indented == #"""
        {
          "a": [
            1,
            {},
            []
          ],
          "b": {
            "c": 1.5
          },
          "\n": null
        }
        """#)
    #expect(JSONValue.array([]).indented == "[]")
  }
}
