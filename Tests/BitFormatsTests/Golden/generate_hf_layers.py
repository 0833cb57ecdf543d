"""What the packed layers of the model folders beside this file hold, decoded with numpy only.

For each layer: rows, columns, the number of codes -1, 0 and +1, the sum of (code + 1) * (place + 1)
over all codes in row-major order modulo 2^32, and the factor of the codes as float32 bits.
Run: python generate_hf_layers.py
"""

import json
import pathlib
import struct

import numpy as np

here = pathlib.Path(__file__).parent


def tensors(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        yield name, entry, data[8 + length + begin : 8 + length + end]


def factor(entry, data, multiplies):
    if entry["dtype"] == "BF16":
        data = b"\0\0" + data
    stored = np.frombuffer(data, np.float32)[0]
    return stored if multiplies else np.float32(1) / stored


result = {}
for folder in sorted(path.parent for path in here.glob("*/model.safetensors")):
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    multiplies = config.get("linear_class") == "autobitlinear"
    found = {name: (entry, data) for name, entry, data in tensors(folder / "model.safetensors")}
    layers = {}
    for name in sorted(found):
        if not name.endswith(".weight_scale"):
            continue
        base = name[: -len(".weight_scale")]
        entry, data = found[base + ".weight"]
        packed = np.frombuffer(data, np.uint8).reshape(entry["shape"])
        codes = np.concatenate([packed >> (2 * band) & 3 for band in range(4)]).astype(np.uint64)
        places = np.arange(1, codes.size + 1, dtype=np.uint64)
        layers[base] = {
            "shape": list(codes.shape),
            "counts": [int((codes == code).sum()) for code in range(3)],
            "sum": int((codes.ravel() * places).sum() % (1 << 32)),
            "factor_bits": int(np.float32(factor(*found[name], multiplies)).view(np.uint32)),
        }
    result[folder.name] = layers
(here / "hf_layers.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")
