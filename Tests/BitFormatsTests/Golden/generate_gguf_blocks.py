"""GGUF blocks of numbers, and what PyPI's gguf reads from them.

Writes gguf/blocks.gguf, whose tensors have rows that gguf quantized (their names end in .numbers) and
rows of any bytes with moderate scales (.bytes), and gguf/blocks_expected.safetensors, their values as
float32. Run with gguf 0.19.0: python generate_gguf_blocks.py
"""

import json
import pathlib
import struct

import gguf
import numpy as np
from gguf.quants import dequantize, quantize

folder = pathlib.Path(__file__).parent / "gguf"
random = np.random.default_rng(13)
types = {
    # The type, the bytes of a block, and the places of its half precision numbers.
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, 34, [0]),
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, 18, [0]),
    "q4_1": (gguf.GGMLQuantizationType.Q4_1, 20, [0, 2]),
    "q6_k": (gguf.GGMLQuantizationType.Q6_K, 210, [208]),
}


def any_bytes(block_bytes, halves, rows, blocks):
    data = random.integers(0, 256, (rows, blocks, block_bytes), dtype=np.uint8)
    for place in halves:
        scales = random.standard_normal((rows, blocks)).astype(np.float16)
        # Also zeros and the least subnormal number, with either sign.
        scales[0, :2] = np.array([0x8000, 0x0001], np.uint16).view(np.float16)
        data[:, :, place : place + 2] = scales[..., None].view(np.uint8)
    return data.reshape(rows, blocks * block_bytes)


writer = gguf.GGUFWriter(folder / "blocks.gguf", "llama")
expected = {}
for name, (kind, block_bytes, halves) in types.items():
    if name != "q6_k":  # gguf does not quantize to it.
        source = random.standard_normal((3, 96)).astype(np.float32)
        expected[name + ".numbers"] = (quantize(source, kind), kind)
    expected[name + ".bytes"] = (any_bytes(block_bytes, halves, 3, 2), kind)
header, data = {}, b""
for name, (blocks, kind) in expected.items():
    writer.add_tensor(name, blocks, raw_dtype=kind)
    values = dequantize(blocks, kind).astype("<f4")
    header[name] = {
        "dtype": "F32",
        "shape": list(values.shape),
        "data_offsets": [len(data), len(data) + values.nbytes],
    }
    data += values.tobytes()
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
(folder / "blocks_expected.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
