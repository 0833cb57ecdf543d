import BitCore
import BitFiles
import BitTokenizers
import Testing

@Suite struct TemplateErrorTests {
  static let hostile: [(name: String, source: String, found: String)] = [
    (
      "loops", "{% for i in range(9999) %}{% for j in range(99) %}{% endfor %}{% endfor %}",
      "turns"
    ),
    ("a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deep"),
    ("a loop in itself", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deep"),
    (
      "a caller in itself",
      "{% macro m() %}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}", "deep"
    ),
    (
      "a text that doubles",
      "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
      "bytes"
    ),
    (
      "a list that nests",
      "{% set n = namespace(l=[]) %}{% for i in range(999) %}{% set n.l = [n.l] %}{% endfor %}",
      "inside one another"
    ),
    (
      "a list that prints too long",
      "{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = [n.l, n.l] %}{% endfor %}"
        + "{{ n.l }}", "more than"
    ),
    (
      "lists that compare too long",
      "{% set n = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set n.a = [n.a, n.a] %}"
        + "{% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a == n.b }}", "more than"
    ),
    ("a namespace in itself", "{% set n = namespace() %}{% set n.n = n %}{{ n }}", "namespaces"),
    ("a string times a number", "{{ 'abc' * 1000000000000 }}", "bytes"),
    ("a list times a number", "{{ [0] * 1000000000000 }}", "bytes"),
    ("a long range", "{{ range(10 ** 18) }}", "a range of 1000000000000000000 numbers"),
    ("a wide text", "{{ 'a'.ljust(10 ** 18) }}{{ 'a' | center(10 ** 18) }}", "bytes"),
    ("a long output", "{% for i in range(99) %}{{ 'ab' * 100000 }}{% endfor %}", "bytes of text"),
    ("a slow search", "{% set a = 'a' * 400000 %}{{ (a[:200000] ~ 'b') in a }}", "bytes"),
    ("large numbers", "{{ 10 ** 100 }}", "127 bits"),
  ]

  @Test(arguments: hostile)
  func `a hostile template ends with an error`(
    name: String, source: String, found: String
  ) throws {
    // Lower than usual, since these take a while without the optimizer.
    var limits = TemplateLimits()
    limits.output >>= 5
    limits.work >>= 5
    limits.steps /= 32
    limits.turns /= 32
    let template = try ChatTemplate(source, limits: limits)
    let error = #expect(throws: InputError.self) { try template.render(messages: []) }
    #expect(error?.kind == .unsupported && error?.found.contains(found) == true, "\(error as Any)")
  }

  @Test(arguments: [
    "{{ \(String(repeating: "(", count: 9999))", "{{ \(String(repeating: "- ", count: 9999))1 }}",
    "{{ \(String(repeating: "(", count: 9999))1\(String(repeating: ")", count: 9999)) }}",
    "{{ \(String(repeating: "not ", count: 9999))1 }}",
    "{{ a\(String(repeating: ".b", count: 9999)) }}",
    "{{ a\(String(repeating: "|e", count: 9999)) }}",
    "{{ 1\(String(repeating: " if 1 else 1", count: 9999)) }}",
    String(repeating: "{% if x %}", count: 9999),
    String(repeating: "{% for x in x %}", count: 9999),
    "{% set \(String(repeating: "(", count: 9999))", String(repeating: "a", count: 2 << 20),
  ])
  func `a template nested too deeply or too long is refused`(source: String) {
    #expect(throws: InputError.self) { try ChatTemplate(source) }
  }

  /// Chains of the same rank are no nesting.
  @Test func `long chains of operators are fine`() throws {
    let sum = "{{ 1" + String(repeating: " + 1", count: 9999) + " }}"
    #expect(try ChatTemplate(sum).render(messages: []) == "10000")
    let branches = "{% if a %}" + String(repeating: "{% elif a %}", count: 9999) + "{% endif %}"
    #expect(try ChatTemplate(branches).render(messages: []).isEmpty)
  }

  /// The limit of depth leaves room for the macros of real templates.
  @Test func `a macro may call itself twenty times`() throws {
    let source = "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}x{% endmacro %}{{ m(19) }}"
    #expect(try ChatTemplate(source).render(messages: []).count == 20)
  }

  @Test func `a template cut at some byte renders or is refused`() throws {
    let golden = try TemplateGolden.read("templates.json")
    let messages = try #require(golden["conversations"]?.arrayValue?[6]["messages"]?.arrayValue)
    var refused = 0
    for template in try #require(golden["templates"]?.arrayValue) {
      let bytes = Array(try #require(template["template"]?.stringValue).utf8)
      for end in stride(from: 0, to: bytes.count, by: bytes.count > 3000 ? 29 : 3) {
        do {
          let cut = try ChatTemplate(String(decoding: bytes[..<end], as: UTF8.self))
          _ = try cut.render(messages: messages, bosToken: "<s>", eosToken: "</s>")
        } catch { refused += 1 }
      }
    }
    #expect(refused > 1000)
  }

  @Test(arguments: [
    ("a\n{% nosuch %}", "t, line 2: found the block \"nosuch\", expected a block of the language"),
    (
      "{% include 'x' %}",
      "t, line 1: found the block \"include\", expected a block that chat templates use"
    ),
    (
      "\n\n{{ x | groupby }}",
      "t, line 3: found the filter \"groupby\", expected a filter that chat templates use"
    ),
    (
      "{{ x is nosuch }}",
      "t, line 1: found the test \"nosuch\", expected a test that chat templates use"
    ),
    ("{{ x", "t, line 1: found the end of the template, expected \"}}\""),
    ("{{ 1 + }}", "t, line 1: found \"}}\", expected an expression"),
    ("{{ (1] }}", "t, line 1: found \"]\", expected \")\""),
    (
      "{% if x %}\n",
      "t, line 1: found the end of the template, expected \"elif\" or \"else\" or \"endif\""
    ),
    ("{# a", "t, line 1: found a comment without an end, expected \"#}\""),
    ("{{ 'a }}", "t, line 1: found a string without an end, expected its end"),
    ("{% break %}", "t, line 1: found \"break\" outside of a loop, expected a loop around it"),
    ("{{ \u{e9} }}", "t, line 1: found the character \"\u{e9}\", expected an expression"),
    (
      "{{ f(*a) }}",
      "t, line 1: found arguments from a list or map, by * or **, expected arguments one by one"
    ),
  ])
  func `an error of syntax names the line`(source: String, text: String) {
    let error = #expect(throws: InputError.self) { try ChatTemplate(source, name: "t") }
    #expect(error?.description == text)
  }

  @Test(arguments: [
    (
      "a\n{{ messages[0].x.y }}",
      "t, line 2: found the member \"x\" of \"element 0\", which is undefined, expected a value that is defined"
    ),
    (
      "{{ 'a' + 1 }}",
      "t, line 1: found a string + an integer, expected values that fit one another"
    ),
    (
      "{{ nosuch() }}",
      "t, line 1: found a call of \"nosuch\", which is undefined, expected a function or a macro"
    ),
    (
      "{{ messages.append(1) }}",
      "t, line 1: found a call of the method \"append\" of a list, expected a method that chat templates use, which changes nothing"
    ),
    (
      "{% for x in 5 %}{% endfor %}",
      "t, line 1: found an integer to go through, expected a list, a map or a string"
    ),
    (
      "\n{{ raise_exception('no \u{e9}\n!') }}",
      "t, line 2: found no \u{e9} !, expected messages that the template accepts"
    ),
    ("{{ 1 // 0 }}", "t, line 1: found a division by zero, expected another divisor"),
    (
      "{{ strftime_now('%Q') }}",
      "t, line 1: found the code %Q in a format of dates, expected another code"
    ),
    (
      "{{ messages | tojson(nosuch=1) }}",
      "t, line 1: found a further argument \"nosuch\" of the filter \"tojson\", expected fewer"
    ),
    (
      "{{ messages | map('e') }}",
      "t, line 1: found the result of a filter without \"| list\" to print, expected \"| list\" after it"
    ),
  ])
  func `an error of rendering names the line`(source: String, text: String) throws {
    let template = try ChatTemplate(source, name: "t")
    let error = #expect(throws: InputError.self) {
      try template.render(messages: [], date: TemplateGolden.date)
    }
    #expect(error?.description == text)
  }
}
