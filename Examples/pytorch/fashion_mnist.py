"""Fashion-MNIST as `bitlinear train` and `bitlinear eval` read it, to the last bit."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

#: Where Debian's package dataset-fashion-mnist puts the four files.
DEFAULT = Path("/usr/share/datasets/fashion-mnist")


class Split(NamedTuple):
    """Images ``[count, pixels]`` and labels ``[count]``, both uint8."""

    images: Tensor
    labels: Tensor


class Standardization(NamedTuple):
    """What maps a byte to an input of the network: (value - mean) / deviation, in float32."""

    mean: float
    deviation: float

    @staticmethod
    def of(images: Tensor) -> Standardization:
        """That of mean and deviation over all bytes: exact sums, rounded to float32 at the end."""
        counts = torch.bincount(images.flatten(), minlength=256).tolist()
        count = sum(counts)
        total = sum(value * number for value, number in enumerate(counts))
        squares = sum(value * value * number for value, number in enumerate(counts))
        deviation = math.sqrt((count * squares - total * total) / (count * count))
        return Standardization(float32(total / count), float32(deviation) or 1.0)

    def __call__(self, images: Tensor) -> Tensor:
        """Float32 values for bytes, of the same shape."""
        # 256 divisions instead of one for each byte, with the same results.
        values = torch.arange(256, dtype=torch.float32) - self.mean
        table = values / torch.full_like(values, self.deviation)
        return table.index_select(0, images.flatten().int()).view(images.shape)


def float32(value: float) -> float:
    """The nearest float32."""
    return struct.unpack("f", struct.pack("f", value))[0]


def load(folder: Path) -> tuple[Split, Split]:
    """The samples to learn from, and those to test.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: a file is not what it should be.
    """
    return _split(folder, "train"), _split(folder, "t10k")


def _split(folder: Path, prefix: str) -> Split:
    images = _idx(folder / f"{prefix}-images-idx3-ubyte.gz", rank=3).flatten(1)
    labels = _idx(folder / f"{prefix}-labels-idx1-ubyte.gz", rank=1)
    if len(images) != len(labels):
        raise ValueError(f"{folder}: {len(images)} {prefix} images have {len(labels)} labels")
    return Split(images, labels)


def _idx(path: Path, rank: int) -> Tensor:
    """The bytes of a gzip-compressed IDX file."""
    try:
        with gzip.open(path) as file:
            content = bytearray(file.read())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: {error}") from error
    header = 4 + 4 * rank
    if len(content) < header or content[:4] != bytes([0, 0, 8, rank]):
        raise ValueError(f"{path}: not an IDX file of bytes with {rank} axes")
    shape = struct.unpack(f">{rank}I", content[4:header])
    if 0 in shape or len(content) - header != math.prod(shape):
        raise ValueError(f"{path}: {len(content) - header} bytes of data, expected {shape}")
    return torch.frombuffer(content, dtype=torch.uint8, offset=header).reshape(shape)
