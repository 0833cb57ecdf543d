"""Checkpoints of any size, written piece by piece: a BitNet model as Hugging Face packs it, and
the same model in floats. All numbers are random, and repeat after some megabytes.

    generate.py FOLDER [--gib 2]      FOLDER/packed and FOLDER/floats, of so many GiB each
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np

HIDDEN, FEED_FORWARD, HEADS, KEY_VALUE_HEADS, VOCABULARY = 2560, 6912, 20, 5, 32000

# Output and input features of the linear layers of a block.
KEY_VALUES = HIDDEN // HEADS * KEY_VALUE_HEADS
LINEAR = {
    "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEY_VALUES, HIDDEN),
    "self_attn.v_proj": (KEY_VALUES, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (FEED_FORWARD, HIDDEN), "mlp.up_proj": (FEED_FORWARD, HIDDEN),
    "mlp.down_proj": (HIDDEN, FEED_FORWARD),
}
WEIGHTS = sum(rows * columns for rows, columns in LINEAR.values())


def write_folder(folder: Path, gib: float, packed: bool) -> None:
    """A model folder whose blocks fill about so many GiB."""
    layers = max(1, round(gib * 2**30 / (WEIGHTS / 4 if packed else WEIGHTS * 2)))
    random = np.random.default_rng(0)
    if packed:
        # Bytes of four two-bit codes, none of which is 3.
        valid = [b for b in range(256) if all(b >> shift & 3 != 3 for shift in (0, 2, 4, 6))]
        numbers = random.choice(np.array(valid, np.uint8), 8 << 20).tobytes()
    else:
        floats = (random.standard_normal(4 << 20) * 0.02).astype(np.float32)
        numbers = (floats.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    tensors = {"model.embed_tokens.weight": ("F16", [VOCABULARY, HIDDEN]),
               "model.norm.weight": ("F32", [HIDDEN])}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        for name, (rows, columns) in LINEAR.items():
            if packed:
                tensors[f"{prefix}{name}.weight"] = ("U8", [rows // 4, columns])
                tensors[f"{prefix}{name}.weight_scale"] = ("F32", [1])
            else:
                tensors[f"{prefix}{name}.weight"] = ("BF16", [rows, columns])
        for name, size in (("input_layernorm", HIDDEN), ("post_attention_layernorm", HIDDEN),
                           ("self_attn.attn_sub_norm", HIDDEN), ("mlp.ffn_sub_norm", FEED_FORWARD)):
            tensors[f"{prefix}{name}.weight"] = ("F32", [size])
    folder.mkdir(parents=True)
    write_config(folder, layers, packed)
    write_safetensors(folder / "model.safetensors", tensors, numbers)


def write_config(folder: Path, layers: int, packed: bool) -> None:
    config = {
        "architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD, "num_hidden_layers": layers,
        "num_attention_heads": HEADS, "num_key_value_heads": KEY_VALUE_HEADS,
        "vocab_size": VOCABULARY, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
        "max_position_embeddings": 4096, "hidden_act": "relu2", "tie_word_embeddings": True,
    }
    if packed:
        config["quantization_config"] = {
            "quant_method": "bitnet", "linear_class": "autobitlinear",
            "quantization_mode": "offline"}
    (folder / "config.json").write_text(json.dumps(config))


def write_safetensors(path: Path, tensors: dict, numbers: bytes) -> None:
    """Fills a tensor of U8 or BF16 with `numbers`, norms with 1, scales with 0.5, the rest with
    zeros."""
    sizes = {"U8": 1, "F16": 2, "BF16": 2, "F32": 4}
    header, end = {}, 0
    # The order of the reference writer: wide types first, then by name.
    order = sorted(tensors, key=lambda name: (-sizes[tensors[name][0]], tensors[name][0], name))
    for name in order:
        dtype, shape = tensors[name]
        start, end = end, end + sizes[dtype] * int(np.prod(shape))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            start, end = header[name]["data_offsets"]
            piece = numbers
            if tensors[name][0] == "F32":
                piece = struct.pack("<f", 0.5 if name.endswith("_scale") else 1.0)
            elif tensors[name][0] == "F16":
                piece = bytes(1 << 20)
            for place in range(start, end, len(piece)):
                file.write(piece[:end - place])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gib", type=float, default=2)
    options = parser.parse_args()
    write_folder(options.folder / "packed", options.gib, packed=True)
    write_folder(options.folder / "floats", options.gib, packed=False)
