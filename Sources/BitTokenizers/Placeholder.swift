/// Tokenizers and chat templates: text to ids and back.
enum Placeholder {}
