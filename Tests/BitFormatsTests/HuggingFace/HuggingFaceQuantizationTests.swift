import BitCore
@testable import BitFiles
import BitFormats
import Testing

@Suite struct HuggingFaceQuantizationTests {
  private func read(_ text: String) throws -> HuggingFaceQuantization? {
    let config = try JSONValue(parsing: #"{"quantization_config":"# + text + "}")
    return try HuggingFaceQuantization(
      config: #require(config.objectValue), source: "config.json")
  }

  @Test func hasTheDefaultsOfTransformers() throws {
    let expected = HuggingFaceQuantization(
      linearClass: .bitlinear, mode: .offline, modulesToNotConvert: nil, usesRMSNorm: false,
      rmsNormEpsilon: 1e-6)
    #expect(HuggingFaceQuantization() == expected)
    for text in [
      #"{"quant_method":"bitnet"}"#, "{}", #"{"modules_to_not_convert":null,"other":[1]}"#,
    ] {
      #expect(try read(text) == expected)
    }
    #expect(expected.scaleConvention == .divides)
    #expect(expected.recipe.normalization == nil)
    #expect(expected.recipe.weights == .ternary)
    #expect(expected.recipe.activations == QuantizationRecipe.b158.activations)
  }

  @Test func readsEveryKey() throws {
    let read = try #require(
      try read(
        """
        {"quant_method":"bitnet","linear_class":"autobitlinear","quantization_mode":"online",
        "modules_to_not_convert":["lm_head","a.b"],"use_rms_norm":true,"rms_norm_eps":1e-5}
        """))
    #expect(
      read
        == HuggingFaceQuantization(
          linearClass: .autobitlinear, mode: .online, modulesToNotConvert: ["lm_head", "a.b"],
          usesRMSNorm: true, rmsNormEpsilon: 1e-5))
    #expect(read.scaleConvention == .multiplies)
    #expect(read.recipe.normalization == .rms(epsilon: 1e-5))
  }

  @Test func aConfigurationWithoutItHasNone() throws {
    #expect(try read("null") == nil)
    #expect(try HuggingFaceQuantization(config: ["model_type": "bitnet"], source: "c") == nil)
  }

  @Test(arguments: [
    ("[]", "found an array, expected an object"),
    (#"{"quant_method":"gptq"}"#, #"found quant_method "gptq", expected "bitnet""#),
    (#"{"quant_method":1}"#, "found quant_method 1, expected a string"),
    (
      #"{"linear_class":"BitLinear"}"#,
      #"found linear_class "BitLinear", expected "bitlinear" or "autobitlinear""#
    ),
    (
      #"{"linear_class":null}"#,
      #"found linear_class null, expected "bitlinear" or "autobitlinear""#
    ),
    (
      #"{"quantization_mode":["online"]}"#,
      #"found quantization_mode an array, expected "offline" or "online""#
    ),
    (#"{"use_rms_norm":1}"#, "found use_rms_norm 1, expected true or false"),
    (
      #"{"modules_to_not_convert":["a",1]}"#,
      "found modules_to_not_convert an array, expected a list of strings or null"
    ),
    (
      #"{"rms_norm_eps":-1.0}"#,
      "found rms_norm_eps -1.0, expected a number from 0, finite as a float32"
    ),
    (
      #"{"rms_norm_eps":1e300}"#,
      "found rms_norm_eps 1e+300, expected a number from 0, finite as a float32"
    ),
  ])
  func saysWhatIsWrong(text: String, message: String) {
    let error = #expect(throws: InputError.self) { try read(text) }
    #expect(error?.description == "config.json, quantization_config: \(message)")
    #expect(error?.kind == (text.contains("gptq") ? .unsupported : .malformed))
  }

  @Test func writingKeepsTheRest() throws {
    let config = try #require(
      try JSONValue(
        parsing: #"""
          {"z":1e-5,"quantization_config":{"x":[],"linear_class":"bitlinear","quant_method":"bitnet",
          "use_rms_norm":false},"a":[1,2.0]}
          """#
      ).objectValue)
    var quantization = try #require(
      try HuggingFaceQuantization(config: config, source: "c"))
    quantization.linearClass = .autobitlinear
    quantization.modulesToNotConvert = ["lm_head"]
    let written = try quantization.written(into: config, source: "c")
    #expect(
      JSONValue.object(written).encoded == #"""
        {"z":1e-05,"quantization_config":{"x":[],"linear_class":"autobitlinear",\#
        "quant_method":"bitnet","use_rms_norm":false,"quantization_mode":"offline",\#
        "modules_to_not_convert":["lm_head"]},"a":[1,2.0]}
        """#)
    #expect(try HuggingFaceQuantization(config: written, source: "c") == quantization)
  }

  @Test func writingAddsIt() throws {
    let quantization = HuggingFaceQuantization(
      linearClass: .autobitlinear, mode: .online, usesRMSNorm: true, rmsNormEpsilon: 1e-5)
    for config: JSONObject in [["a": 1], ["a": 1, "quantization_config": nil]] {
      let written = try quantization.written(into: config, source: "c")
      #expect(
        JSONValue.object(written).indented == """
          {
            "a": 1,
            "quantization_config": {
              "quant_method": "bitnet",
              "linear_class": "autobitlinear",
              "quantization_mode": "online",
              "use_rms_norm": true,
              "rms_norm_eps": 1e-05
            }
          }
          """)
      #expect(try HuggingFaceQuantization(config: written, source: "c") == quantization)
    }
    let error = #expect(throws: InputError.self) {
      try quantization.written(into: ["quantization_config": 1], source: "c")
    }
    #expect(error?.kind == .malformed)
  }
}
