"""Writes a safetensors or a GGUF file of many tensors, for measuring how fast they open.

    generate.py FOLDER      many.safetensors and many.gguf, of 500 tensors and 1 GiB each

The data is a hole in the file, which takes no room on the disk. The GGUF file has the metadata of
a real model: a vocabulary of 128,256 tokens with scores and types, and 280,000 merges.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np

TOKENS = 128_256
MERGES = 280_000


def safetensors(path: Path, tensors: int, size: int) -> None:
    """F16 tensors of 1024 columns with `size` bytes in all."""
    header, start = {}, 0
    for name, rows in shapes(tensors, size):
        end = start + rows * 2048
        header[name] = {"dtype": "F16", "shape": [rows, 1024], "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write(path, struct.pack("<Q", len(text)) + text, start)


def gguf(path: Path, tensors: int, size: int) -> None:
    """F16 tensors of 1024 columns with `size` bytes in all, and a tokenizer."""
    rng = np.random.default_rng(0)
    tokens = words(rng, TOKENS)
    left, right = words(rng, MERGES), words(rng, MERGES)
    types = np.ones(TOKENS, "<i4")
    types[-256:] = 3
    pairs = [
        string("general.architecture") + struct.pack("<I", 8) + string("llama"),
        strings("tokenizer.ggml.tokens", tokens),
        numbers("tokenizer.ggml.scores", 6, -np.arange(TOKENS, dtype="<f4")),
        numbers("tokenizer.ggml.token_type", 5, types),
        strings("tokenizer.ggml.merges", [f"{a} {b}" for a, b in zip(left, right)]),
    ]
    infos, start = [], 0
    for name, rows in shapes(tensors, size):
        infos.append(string(name) + struct.pack("<IQQIQ", 2, 1024, rows, 1, start))
        start += rows * 2048
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(pairs)) + b"".join(pairs + infos)
    write(path, head + b"\0" * (-len(head) % 32), start)


def shapes(tensors: int, size: int) -> list[tuple[str, int]]:
    """Names and numbers of rows, of 2048 bytes each."""
    rows = size // 2048
    return [
        (f"blk.{index // 10}.tensor_{index % 10}.weight",
         rows // tensors + (index < rows % tensors))
        for index in range(tensors)
    ]


def words(rng: np.random.Generator, count: int) -> list[str]:
    """Words of 1 to 12 letters, every second after the mark of a space, a two-byte letter."""
    letters = rng.integers(ord("a"), ord("z") + 1, (count, 12), dtype=np.uint8)
    lengths = rng.integers(1, 13, count)
    return [
        ("\u0120" if index % 2 else "") + bytes(row[:length]).decode()
        for index, (row, length) in enumerate(zip(letters, lengths))
    ]


def string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def strings(key: str, values: list[str]) -> bytes:
    head = string(key) + struct.pack("<IIQ", 9, 8, len(values))
    return head + b"".join(map(string, values))


def numbers(key: str, kind: int, values: np.ndarray) -> bytes:
    return string(key) + struct.pack("<IIQ", 9, kind, len(values)) + values.tobytes()


def write(path: Path, head: bytes, size: int) -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tensors", type=int, default=500)
    parser.add_argument("--mebibytes", type=int, default=1024)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    size = options.mebibytes << 20
    safetensors(options.folder / "many.safetensors", options.tensors, size)
    gguf(options.folder / "many.gguf", options.tensors, size)
