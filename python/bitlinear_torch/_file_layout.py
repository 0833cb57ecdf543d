"""The bytes of a safetensors file of packed layers, which processes write to their places.

The same as the library writes for whole layers.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import math
import os
import secrets
import stat
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

from torch import Tensor

from ._file_checks import LAYERS_KEY, NAMES_OF_TYPES, Path, path_bytes
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


class Target(NamedTuple):
    """Where the file is to be: its path, the name until it is complete, and its permissions.

    The permissions are those of the file that it replaces; None if there is none.
    """

    path: str
    temporary: str
    mode: Optional[int]


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
        words[LAYERS_KEY] = _json(layers)
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


def target_of(path: Path) -> Target:
    """Where a file is to be written, as the library does it for whole models.

    Raises:
        ValueError: the path has a null character.
        OSError: something else than a file is there, or the path has no name of a file.
    """
    path_bytes(path)
    given, mode = os.fsdecode(path), None
    if not os.path.basename(given):
        raise OSError(f"{given}: found no file name, expected a path")
    if os.path.exists(given):
        found = os.stat(given).st_mode
        if not stat.S_ISREG(found):
            kind = "a folder" if stat.S_ISDIR(found) else "no regular file"
            raise OSError(f"{given}: found {kind}, expected a regular file or a new name")
        mode = stat.S_IMODE(found)
    # The file that a link leads to is replaced, not the link.
    final = os.path.realpath(given) if os.path.islink(given) and mode is not None else given
    folder, name = os.path.split(final)
    # File systems limit names to 255 bytes, of which a character takes up to 4.
    temporary = os.path.join(folder, f".{name[:40]}.{secrets.token_hex(8)}.partial")
    return Target(final, temporary, mode)


def create(target: Target, begin: bytes, length: int) -> None:
    """Makes the temporary file of that length with its beginning."""
    with open(target.temporary, "xb") as file:
        if target.mode is not None:
            os.fchmod(file.fileno(), target.mode | stat.S_IWUSR)
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


def rename(target: Target) -> None:
    """Gives a complete file its name, and the permissions of the one that it replaces."""
    if target.mode is not None:
        os.chmod(target.temporary, target.mode)
    os.replace(target.temporary, target.path)
    folder = os.open(os.path.dirname(os.path.abspath(target.path)), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
