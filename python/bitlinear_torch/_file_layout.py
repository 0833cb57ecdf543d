"""The bytes of a safetensors file of packed layers, which processes write to their places.

The same as the library writes for whole layers.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import math
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Union

from torch import Tensor

from .files import NAMES_OF_TYPES
from .recipe import Recipe

# Types of elements in the order of files, as the library writes them: the last ones come first.
_ORDER = (
    "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "F16", "BF16", "I32", "U32", "F32",
    "F64", "I64", "U64",
)


class Info(NamedTuple):
    """What all processes must know of a tensor of the file."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def byte_count(self) -> int:
        """The bytes of its elements."""
        size = {name: dtype.itemsize for dtype, name in NAMES_OF_TYPES.items()}[self.dtype]
        return math.prod(self.shape) * size


class Piece(NamedTuple):
    """What this process writes of a tensor: the values, made when they are written, and where."""

    values: Callable[[], Tensor]
    offset: tuple[int, ...]


def described(recipe: Recipe, in_features: int) -> dict[str, Any]:
    """What the library writes of a recipe."""
    single = ctypes.c_float
    block = recipe.activation_block
    words: dict[str, Any] = {
        "weights": recipe.weights,
        "activation_bits": recipe.activation_bits,
        "activation_scale": "block" if block else "token" if recipe.per_token else "tensor",
        "activation_range": "symmetric",
        "activation_epsilon": single(recipe.activation_epsilon).value,
    }
    if block:
        words["activation_block"] = block
    if recipe.norm is not None:
        words["norm"] = recipe.norm if recipe.norm != "group" or recipe.norm_groups > 1 else (
            "layer")
        words["norm_groups"] = recipe.norm_groups
        words["norm_epsilon"] = single(recipe.norm_eps).value
    words["in_features"] = in_features
    return words


def header(
    infos: dict[str, Info], layers: dict[str, Any], metadata: dict[str, str]
) -> tuple[bytes, dict[str, int], int]:
    """The beginning of the file, where each tensor begins, and the length of the file."""
    words = {"format": "pt", **metadata}
    if layers:
        words["bitlinear.layers"] = _json(layers)
    members: dict[str, Any] = {
        "__metadata__": dict(sorted(words.items(), key=lambda pair: pair[0].encode()))
    }
    offsets, end = {}, 0
    for name in sorted(infos, key=lambda name: (-_ORDER.index(infos[name].dtype), name.encode())):
        info = infos[name]
        offsets[name], end = end, end + info.byte_count
        members[name] = {
            "dtype": info.dtype, "shape": info.shape, "data_offsets": [offsets[name], end]
        }
    text = _json(members).encode()
    text += b" " * (-len(text) % 8)
    begin = struct.pack("<Q", len(text)) + text
    return begin, {name: at + len(begin) for name, at in offsets.items()}, end + len(begin)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def create(path: str, begin: bytes, length: int) -> None:
    """Makes a file of that length with its beginning."""
    with open(path, "xb") as file:
        file.truncate(length)
        _put(file.fileno(), begin, 0)
        os.fsync(file.fileno())


def write(
    path: str, pieces: dict[str, Piece], infos: dict[str, Info], offsets: dict[str, int]
) -> None:
    """Writes pieces to their places."""
    with open(path, "r+b") as file:
        for name, piece in pieces.items():
            values = piece.values().detach().cpu().resolve_neg().contiguous()
            size = values.element_size()
            raw = (ctypes.c_char * values.nbytes).from_address(values.data_ptr())
            view, done = memoryview(raw).cast("B"), 0
            for start, count in _runs(values.shape, infos[name].shape, piece.offset):
                end = done + count * size
                _put(file.fileno(), view[done:end], offsets[name] + start * size)
                done = end
        file.flush()
        os.fsync(file.fileno())


def _runs(
    own: Sequence[int], whole: Sequence[int], offset: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Where the elements of a part lie in the whole, one after the other: beginnings and counts."""
    split = max((dim for dim in range(len(whole)) if own[dim] != whole[dim]), default=0)
    strides = [math.prod(whole[dim + 1 :]) for dim in range(len(whole))]
    if not whole:
        yield 0, 1
        return
    count = math.prod(own[split:])
    begin = sum(at * stride for at, stride in zip(offset, strides))
    for index in itertools.product(*(range(length) for length in own[:split])):
        yield begin + sum(at * stride for at, stride in zip(index, strides)), count


def _put(descriptor: int, data: Union[bytes, memoryview], at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def rename(temporary: str, path: str) -> None:
    """Gives a complete file its name."""
    os.replace(temporary, path)
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
