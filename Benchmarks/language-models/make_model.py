"""Writes a GGUF model with random weights in the shape of a real one, to measure speed with.

    python3 make_model.py OUTPUT.gguf [--shape 2b-4t] [--type i2_s] [--layers N] [--seed 0]

The weights say nothing; how fast a model runs depends on its shape alone. Needs numpy.
"""

import argparse
import struct
import sys

import numpy as np

# Hidden size, layers, feed-forward size, heads, key-value heads, vocabulary, context.
SHAPES = {
    "2b-4t": (2560, 30, 6912, 20, 5, 128256, 4096),
    "llama3-8b": (4096, 32, 14336, 32, 8, 128256, 8192),
    "tiny": (256, 2, 512, 8, 2, 1024, 512),
}
ALIGNMENT = 32
F32, F16, TQ2_0, I2_S = 0, 1, 35, 36
UINT32, FLOAT32, STRING = 4, 6, 8


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, value):
    packed = {
        UINT32: lambda: struct.pack("<I", value),
        FLOAT32: lambda: struct.pack("<f", value),
        STRING: lambda: text(value),
    }[kind]()
    return text(key) + struct.pack("<I", kind) + packed


def ternary_bytes(generator, count):
    """Random codes, four in a byte, a third of them zero."""
    codes = generator.integers(0, 81, size=count // 4, dtype=np.uint8)
    fields = [codes // 27, codes // 9 % 3, codes // 3 % 3, codes % 3]
    return fields[0] << 6 | fields[1] << 4 | fields[2] << 2 | fields[3]


def tensor_bytes(generator, kind, rows, columns):
    count = rows * columns
    if kind == F32:
        return np.ones(count, np.float32).tobytes()
    if kind == F16:
        pieces = []
        for first in range(0, rows, 4096):
            shape = (min(4096, rows - first), columns)
            pieces.append(generator.standard_normal(shape, np.float32).astype(np.float16).tobytes())
        return b"".join(pieces)
    codes = ternary_bytes(generator, count)
    scale = 1.0 / np.sqrt(columns)
    if kind == I2_S:
        return codes.tobytes() + struct.pack("<f", scale) + bytes(28)
    blocks = np.empty((count // 256, 66), np.uint8)
    blocks[:, :64] = codes.reshape(-1, 64)
    blocks[:, 64:] = np.frombuffer(np.float16(scale).tobytes(), np.uint8)
    return blocks.tobytes()


def tensors(shape, kind):
    hidden, layers, inner, heads, kv_heads, vocabulary, _ = shape
    key_rows = kv_heads * (hidden // heads)
    yield "token_embd.weight", F16, vocabulary, hidden
    for layer in range(layers):
        prefix = f"blk.{layer}."
        yield prefix + "attn_norm.weight", F32, 1, hidden
        yield prefix + "attn_q.weight", kind, hidden, hidden
        yield prefix + "attn_k.weight", kind, key_rows, hidden
        yield prefix + "attn_v.weight", kind, key_rows, hidden
        yield prefix + "attn_sub_norm.weight", F32, 1, hidden
        yield prefix + "attn_output.weight", kind, hidden, hidden
        yield prefix + "ffn_norm.weight", F32, 1, hidden
        yield prefix + "ffn_gate.weight", kind, inner, hidden
        yield prefix + "ffn_up.weight", kind, inner, hidden
        yield prefix + "ffn_sub_norm.weight", F32, 1, inner
        yield prefix + "ffn_down.weight", kind, hidden, inner
    yield "output_norm.weight", F32, 1, hidden


def byte_count(kind, rows, columns):
    count = rows * columns
    return {F32: 4 * count, F16: 2 * count, I2_S: count // 4 + 32, TQ2_0: count // 256 * 66}[kind]


def pad(size):
    return -size % ALIGNMENT


def write(path, shape, kind, seed):
    hidden, layers, inner, heads, kv_heads, vocabulary, context = shape
    name = "bitnet-b1.58"
    metadata = [
        pair("general.architecture", STRING, name),
        pair("general.name", STRING, "random weights"),
        pair("general.file_type", UINT32, 40 if kind == I2_S else 37),
        pair("general.quantization_version", UINT32, 2),
        pair(f"{name}.context_length", UINT32, context),
        pair(f"{name}.embedding_length", UINT32, hidden),
        pair(f"{name}.block_count", UINT32, layers),
        pair(f"{name}.feed_forward_length", UINT32, inner),
        pair(f"{name}.attention.head_count", UINT32, heads),
        pair(f"{name}.attention.head_count_kv", UINT32, kv_heads),
        pair(f"{name}.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        pair(f"{name}.rope.freq_base", FLOAT32, 500000.0),
        pair(f"{name}.rope.dimension_count", UINT32, hidden // heads),
        pair(f"{name}.vocab_size", UINT32, vocabulary),
    ]
    entries = list(tensors(shape, kind))
    header, offset = b"", 0
    for tensor, type_id, rows, columns in entries:
        extents = [columns] if type_id == F32 else [columns, rows]
        header += text(tensor) + struct.pack("<I", len(extents))
        header += struct.pack(f"<{len(extents)}Q", *extents) + struct.pack("<IQ", type_id, offset)
        size = byte_count(type_id, rows, columns)
        offset += size + pad(size)
    start = struct.pack("<4sIQQ", b"GGUF", 3, len(entries), len(metadata))
    start += b"".join(metadata) + header
    generator = np.random.default_rng(seed)
    with open(path, "wb") as file:
        file.write(start + bytes(pad(len(start))))
        for tensor, type_id, rows, columns in entries:
            data = tensor_bytes(generator, type_id, rows, columns)
            assert len(data) == byte_count(type_id, rows, columns), tensor
            file.write(data + bytes(pad(len(data))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    parser.add_argument("--shape", choices=SHAPES, default="2b-4t")
    parser.add_argument("--type", choices=["i2_s", "tq2_0"], default="i2_s")
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    shape = list(SHAPES[arguments.shape])
    if arguments.layers is not None:
        shape[1] = arguments.layers
    write(arguments.output, shape, I2_S if arguments.type == "i2_s" else TQ2_0, arguments.seed)
    print(f"wrote {arguments.output}", file=sys.stderr)


if __name__ == "__main__":
    main()
