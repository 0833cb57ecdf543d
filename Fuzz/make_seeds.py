"""Writes the small files from which scripts/fuzz starts, one or more for each thing that the
readers know: `python3 Fuzz/make_seeds.py`, from the root of the repository."""

import json
import struct
from pathlib import Path

SEEDS = Path(__file__).resolve().parent / "Seeds"


# safetensors


def safetensors(name: str, tensors: dict, metadata: dict | None = None) -> None:
    """Tensors are a type, a shape and bytes."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in metadata.items()}
    for key, (dtype, shape, content) in tensors.items():
        end = len(data) + len(content)
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), end]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    write(name, "safetensors", struct.pack("<Q", len(text)) + text + data)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def all_safetensors() -> None:
    safetensors("empty", {})
    safetensors("numbers", {
        "f32": ("F32", [2, 1], floats(1, -2)), "f16": ("F16", [1], b"\0\x3c"),
        "bf16": ("BF16", [1], b"\x80\x3f"), "f64": ("F64", [], struct.pack("<d", 0.5)),
        "i64": ("I64", [1], b"\1" + bytes(7)), "u8": ("U8", [0, 3], b""),
        "bool": ("BOOL", [1], b"\1"), "f4": ("F4", [2], b"\x12"),
    }, {"format": "pt", "\u00e9\"\\": "\u0001\ud83e\udd99"})
    recipe = {
        "weights": "ternary", "activation_bits": 8, "activation_scale": "token",
        "activation_range": "full", "activation_epsilon": 1e-5, "in_features": 5}
    safetensors("packed", {
        "a.weight": ("U8", [2, 2], b"\x25\x01\x98\x02"), "a.weight_scale": ("F32", [1], floats(1)),
        "a.bias": ("F32", [2], floats(1, 2)), "a.norm.weight": ("F32", [5], floats(1, 1, 1, 1, 1)),
        "b.weight": ("U8", [2, 1], b"\x03\x1f"), "b.weight_scale": ("F32", [2], floats(1, 2)),
        "c.weight": ("U8", [1, 2], b"\x25\x01"), "c.weight_scale": ("F32", [1, 1], floats(1)),
    }, {"bitlinear.layers": {
        "a": recipe | {"norm": "rms", "norm_groups": 1, "norm_epsilon": 1e-6},
        "b": recipe | {"weights": "sign", "activation_scale": "tensor",
                       "activation_range": "symmetric", "activation_epsilon": 0, "groups": 2},
        "c": recipe | {"block_features": 64}}})
    for name, config, factor in [
        ("bitlinear", {}, b"\0\x40"),
        ("autobitlinear", {"linear_class": "autobitlinear", "quantization_mode": "offline",
                           "use_rms_norm": True, "rms_norm_eps": 1e-5,
                           "modules_to_not_convert": ["lm_head"]}, b"\0\x3f"),
    ]:
        safetensors(f"hf-{name}", {
            "l.weight": ("U8", [1, 3], b"\x25\x92\x11"), "l.weight_scale": ("BF16", [1], factor),
            "l.bias": ("F32", [4], floats(1, 2, 3, 4)),
            "l.rms_norm.weight": ("F32", [3], floats(1, 2, 3)),
            "m.weight": ("F32", [1, 2], floats(-1, 0)), "m.weight_scale": ("F32", [], floats(2)),
        }, {"bitlinear.quantization_config": {"quant_method": "bitnet"} | config})


# GGUF


def string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def text(key: str, value: str) -> bytes:
    return string(key) + struct.pack("<I", 8) + string(value)


def array(key: str, kind: int, count: int, content: bytes) -> bytes:
    return string(key) + struct.pack("<IIQ", 9, kind, count) + content


def gguf(name: str, pairs: list, tensors: list, alignment: int = 32, version: int = 3) -> None:
    """Tensors are a type, the number of columns and of rows, and the size in bytes."""
    infos, data = b"", b""
    for index, (kind, columns, rows, size) in enumerate(tensors):
        infos += string(f"t{index}") + struct.pack("<IQQIQ", 2, columns, rows, kind, len(data))
        data += bytes(37 * place % 64 for place in range(size))
        data += bytes(-len(data) % alignment)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs))
    head += b"".join(pairs) + infos
    if tensors:
        head += bytes(-len(head) % alignment)
    write(name, "gguf", head + data)


def all_gguf() -> None:
    gguf("empty", [], [])
    values = [
        (0, "<B", 1), (1, "<b", -1), (2, "<H", 2), (3, "<h", -2), (4, "<I", 3), (5, "<i", -3),
        (6, "<f", 0.5), (7, "<?", True), (10, "<Q", 4), (11, "<q", -4), (12, "<d", 0.25)]
    gguf("values", [
        string(f"v{kind}") + struct.pack("<I", kind) + struct.pack(form, value)
        for kind, form, value in values
    ] + [text("s", "\u00e9")], [])
    gguf("arrays", [
        array(f"a{kind}", kind, 2, 2 * struct.pack(form, value)) for kind, form, value in values
    ] + [array("tokens", 8, 18, b"".join(string("\u0120ab"[:i % 4]) for i in range(18)))],
        [], version=2)
    gguf("numbers", [text("general.architecture", "llama"),
                     string("general.alignment") + struct.pack("<II", 4, 8)],
         [(0, 3, 2, 24), (1, 4, 1, 8), (30, 4, 1, 8), (8, 32, 1, 34), (14, 256, 1, 210),
          (26, 2, 1, 8), (777, 3, 1, 5), (0, 1, 1, 4)], alignment=8)
    gguf("codes", [], [
        (34, 256, 1, 54), (35, 256, 1, 66), (41, 128, 2, 36), (142, 128, 1, 34), (143, 128, 1, 28),
        (134, 64, 1, 15), (135, 64, 1, 20)])
    for layout in ("x86-128", "arm-64"):
        gguf(f"i2_s-{layout}", [text("general.architecture", "bitnet-b1.58"),
                                text("bitlinear.i2_s_layout", layout)],
             [(36, 128, 1, 64), (38, 128, 1, 64), (0, 1, 1, 4)])
    gguf("i2_s-small", [string("general.file_type") + struct.pack("<II", 4, 40)],
         [(36, 64, 1, 48), (39, 32, 1, 40), (0, 1, 1, 4)])
    gguf("old-36", [], [(36, 256, 1, 144), (0, 1, 1, 4)])
    gguf("q2_0-64", [], [(42, 128, 2, 72), (0, 1, 1, 4)])
    gguf("q2_0-128", [], [(42, 128, 2, 68), (0, 1, 1, 4)])
    gguf("split", [string("split.no") + struct.pack("<IH", 2, 0),
                   string("split.count") + struct.pack("<IH", 2, 2)], [(0, 1, 1, 4)])
    gguf("rotated", [text("prism.hadamard.block", "x")], [(142, 128, 1, 34)])


# Chat templates


def all_templates() -> None:
    templates = {
        "messages": "{% for m in messages %}{{ '<|' ~ m.role + '|>' + m['content'] | trim }}\n"
                    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
        "namespace": "{%- set ns = namespace(n=0) -%}{% for m in messages[::-1] if m.content %}"
                     "{% set ns.n = ns.n + loop.index0 %}{{ loop.last }}{% endfor %}{{ ns.n }}",
        "macro": "{% macro m(a, b=x) %}[{{ a }}{{ caller() }}]{% endmacro %}"
                 "{% call(c) m(1) %}{{ s }}{% endcall %}",
        "filters": "{{ l | map('string') | join(', ') }}{{ messages | tojson(indent=2) }}"
                   "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}"
                   "{{ s | title | replace('o', '0') | indent(2) }}{{ f | round(1) }}",
        "strings": "{{ s.split(' ')[-1].lstrip('W') }}{{ '%s-%.2f' % (s, f) }}{{ 'a\\n\\x41' * 3 }}"
                   "{{ s.startswith('H') and 'ell' in s }}{{ strftime_now('%d %b %Y') }}",
        "blocks": "{% set b | upper %} {{ x }} {% endset %}{% with a = 1 %}{{ a }}{% endwith %}"
                  "{% raw %}{{ }}{% endraw %}{# c #}{% filter trim %} a {% endfilter %}"
                  "{% generation %}{{ raise_exception('no') if x > 9 else (1, [2], {'k': none}) }}"
                  "{% endgeneration %}",
        "recursive": "{% for i in range(3) recursive %}{% if i is odd %}{% continue %}{% endif %}"
                     "{{ loop.cycle('a', 'b') }}{{ loop([1]) }}{% else %}{{ d.x }}{% endfor %}"}
    for name, template in templates.items():
        write(name, "jinja", template.encode())
# tokenizer.json


def tokenizer(name: str, tokens: list[str], merges: list, added: list[dict], **parts) -> None:
    """Parts are those beside the model, and "flags" of the model itself."""
    model = {"type": "BPE", "vocab": {text: place for place, text in enumerate(tokens)},
             "merges": merges} | parts.pop("flags", {})
    content = {"version": "1.0", "added_tokens": added} | parts | {"model": model}
    write(name, "tokenizer", json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode())


def sequence(**parts) -> dict:
    return {"type": "Sequence"} | parts


def all_tokenizers() -> None:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    plain = byte_level | {"use_regex": False}
    letters = [chr(value) for value in (*range(33, 127), *range(161, 173), *range(174, 324))]
    end = {"id": 260, "content": "<|end|>", "special": True}
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
               r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
             "invert": False}
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {
            "<|end|>": {"id": "<|end|>", "ids": [260], "tokens": ["<|end|>"]}}}
    tokenizer("llama3", letters + ["he", "\u0120w"], [["h", "e"], ["\u0120", "w"]], [end],
              flags={"ignore_merges": True}, pre_tokenizer=sequence(pretokenizers=[split, plain]),
              post_processor=sequence(processors=[byte_level, template]), decoder=byte_level)
    tokenizer("qwen2", ["a", "b", "ab"], ["a b"], [
        {"id": 3, "content": "<L>", "lstrip": True, "single_word": True},
        {"id": 4, "content": "caf\u00e9", "rstrip": True, "normalized": True}],
        normalizer={"type": "NFC"}, flags={"unk_token": "a"}, decoder=byte_level,
        pre_tokenizer=sequence(pretokenizers=[
            split | {"pattern": {"Regex": pattern.replace("{1,3}", "")}}, plain]))
    tokenizer("falcon", letters, [], [], decoder=byte_level, pre_tokenizer=sequence(pretokenizers=[
        {"type": "Punctuation", "behavior": "Contiguous"}, byte_level,
        {"type": "Digits", "individual_digits": False},
        split | {"pattern": {"Regex": "[0-9][0-9][0-9]"}}]))
    mark = "\u2581"
    undo = sequence(decoders=[
        {"type": "Replace", "pattern": {"String": mark}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}])
    spaces = ["<unk>", "<s>", mark, "a", "b", mark + "a", "<0xC3>", "<0xA9>"]
    flags = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}
    tokenizer("llama2", spaces, [[mark, "a"]], [{"id": 1, "content": "<s>", "special": True}],
              normalizer=sequence(normalizers=[
                  {"type": "Prepend", "prepend": mark},
                  {"type": "Replace", "pattern": {"String": " "}, "content": mark}]),
              decoder=undo, flags=flags)
    metaspace = {"type": "Metaspace", "replacement": mark, "prepend_scheme": "first", "split": True}
    tokenizer("metaspace", spaces, [[mark, "a"]], [], pre_tokenizer=metaspace, decoder=metaspace,
              flags=flags | {"fuse_unk": False})


# Whole language models


def number(key: str, value) -> bytes:
    kind, form = (6, "<f") if isinstance(value, float) else (4, "<I")
    return string(key) + struct.pack("<I", kind) + struct.pack(form, value)


def model(name: str, architecture: str, parts: dict, tied: bool = True) -> None:
    """A model of one layer, whose tensors are floats: their extents are those of parts and these."""
    hidden, inner, vocabulary = 8, 8, 6
    keys = {"context_length": 64, "embedding_length": hidden, "block_count": 1,
            "feed_forward_length": inner, "attention.head_count": 2,
            "attention.head_count_kv": 1, "attention.key_length": 4, "attention.value_length": 4,
            "attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10000.0}
    tokens = ["<s>", "a", "b", "ab", "\u0120", "\u0120a"]
    pairs = [text("general.architecture", architecture)]
    pairs += [number(f"{architecture}.{key}", value) for key, value in keys.items()]
    pairs += [text("tokenizer.ggml.model", "gpt2"), text("tokenizer.ggml.pre", "gpt-2"),
              array("tokenizer.ggml.tokens", 8, len(tokens), b"".join(map(string, tokens))),
              array("tokenizer.ggml.token_type", 5, len(tokens),
                    struct.pack("<6i", 3, 1, 1, 1, 1, 1)),
              array("tokenizer.ggml.merges", 8, 2, string("a b") + string("\u0120 a")),
              number("tokenizer.ggml.eos_token_id", 0)]
    tensors = {"token_embd": [vocabulary, hidden], "blk.0.attn_norm": [hidden],
               "blk.0.attn_q": [8, hidden], "blk.0.attn_k": [4, hidden],
               "blk.0.attn_v": [4, hidden], "blk.0.attn_output": [hidden, 8],
               "blk.0.ffn_norm": [hidden], "blk.0.ffn_gate": [inner, hidden],
               "blk.0.ffn_up": [inner, hidden], "blk.0.ffn_down": [hidden, inner],
               "output_norm": [hidden]} | parts
    if not tied:
        tensors["output"] = [vocabulary, hidden]
    infos, data = b"", b""
    for tensor, shape in tensors.items():
        infos += string(f"{tensor}.weight") + struct.pack("<I", len(shape))
        infos += struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", 0, len(data))
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        data += floats(*((37 * place % 64 - 31) / 32 for place in range(count)))
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + infos
    write(name, "model", head + bytes(-len(head) % 32) + data)


def all_models() -> None:
    model("llama", "llama", {}, tied=False)
    model("bitnet", "bitnet-b1.58", {"blk.0.attn_sub_norm": [8], "blk.0.ffn_sub_norm": [8]})
    model("qwen3", "qwen3", {"blk.0.attn_q_norm": [4], "blk.0.attn_k_norm": [4]})


def write(name: str, extension: str, content: bytes) -> None:
    SEEDS.mkdir(exist_ok=True)
    (SEEDS / f"{name}.{extension}").write_bytes(content)


if __name__ == "__main__":
    all_safetensors()
    all_gguf()
    all_templates()
    all_tokenizers()
    all_models()
