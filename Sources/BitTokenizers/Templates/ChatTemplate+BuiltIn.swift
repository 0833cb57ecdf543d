import BitCore
import BitFiles

extension ChatTemplate {
  /// The names of the templates that ``named(_:)`` has.
  public static let builtInNames = builtIn.map(\.name)

  /// A common template, for a model that comes without one. The names are those of llama.cpp's
  /// `--chat-template`.
  ///
  /// - `chatml`: `<|im_start|>user` ... `<|im_end|>`, of Qwen, SmolLM and many others.
  /// - `llama3`: `<|start_header_id|>user<|end_header_id|>` ... `<|eot_id|>`, with the mark of the
  ///   beginning.
  /// - `zephyr`: `<|user|>` and a line break, with the end-of-text token after each message.
  /// - `falcon3`: the same with a line break in place of that token.
  /// - `bitnet`: `User: ...<|eot_id|>`, of BitNet b1.58 2B-4T, with the mark of the beginning.
  ///
  /// - Throws: `InputError` of kind `.missing` if there is none of that name.
  public static func named(_ name: String) throws(InputError) -> ChatTemplate {
    guard let template = builtIn.first(where: { ByteKey($0.name) == ByteKey(name) }) else {
      throw InputError(
        .missing, source: "chat template", found: "the name \(ErrorText.quoted(name))",
        expected: "one of \(builtInNames.joined(separator: ", "))")
    }
    return try ChatTemplate(template.source, name: "chat template \(name)")
  }

  private static let builtIn: [(name: String, source: String)] = [
    (
      "chatml",
      """
      {%- for message in messages %}
      {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
      {%- endfor %}
      {%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}
      """
    ),
    (
      "llama3",
      """
      {{- bos_token }}
      {%- for message in messages %}
      {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
      {{- message.content | trim + '<|eot_id|>' }}
      {%- endfor %}
      {%- if add_generation_prompt %}
      {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
      {%- endif %}
      """
    ),
    (
      "zephyr",
      """
      {%- for message in messages %}
      {{- '<|' + message.role + '|>\\n' + message.content + eos_token + '\\n' }}
      {%- endfor %}
      {%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{% endif %}
      """
    ),
    (
      "falcon3",
      """
      {%- for message in messages %}
      {{- '<|' + message.role + '|>\\n' + message.content + '\\n' }}
      {%- endfor %}
      {%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{% endif %}
      """
    ),
    (
      "bitnet",
      """
      {{- bos_token }}
      {%- for message in messages %}
      {{- message.role | capitalize + ': ' + message.content | trim + '<|eot_id|>' }}
      {%- endfor %}
      {%- if add_generation_prompt %}{{- 'Assistant: ' }}{% endif %}
      """
    ),
  ]
}
