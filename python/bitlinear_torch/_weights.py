"""The packed codes of latent weights, kept while the weights are unchanged.

A training step quantizes a weight once: forward packs it, and backward unpacks what forward packed.
Where a weight stays the same between calls, as in evaluation or where gradients are accumulated, its
codes are kept. PyTorch counts changes of a tensor, but not those through ``.data``; so a checksum of
all its bytes must be the same too, which costs a fraction of quantizing it.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from ._codes import codes_shape, native_layout
from ._layer import CLayerOf, Layer
from ._library import NOT_FINITE, check, library
from ._memory import version
from ._threads import follow_torch
from .recipe import Recipe

#: The numbers of a weight from which packing it for each call is worth the overhead.
LEAST_PACKED = 1 << 16


class PackedWeight(NamedTuple):
    """The codes of a weight, int8 in the layout of this CPU, and the scales of its groups."""

    codes: Tensor
    scale: Tensor


@dataclass
class _Entry:
    """What is known of a weight.

    Attributes:
        storage: its memory; while this lives, no other storage has its number.
        state: what was packed; another one is another weight.
        checksum: of the bytes that were packed; None for a weight that was met once.
        packed: what came of it; None for a weight that was met once or is not finite.
    """

    storage: StorageWeakRef
    state: tuple[Any, ...]
    checksum: Optional[int] = None
    packed: Optional[PackedWeight] = None


class _Cache:
    def __init__(self) -> None:
        # By the storage and the place in it: weights may share a storage.
        self._entries: dict[tuple[int, int], _Entry] = {}
        self._lock = threading.Lock()

    @staticmethod
    def _key(weight: Tensor) -> tuple[int, int]:
        return weight.untyped_storage()._cdata, weight.data_ptr()

    def find(self, weight: Tensor, state: tuple[Any, ...]) -> Optional[_Entry]:
        """The entry of a weight that is unchanged as far as PyTorch knows."""
        entry = self._entries.get(self._key(weight))
        if entry is None or entry.storage.expired() or entry.state != state:
            return None
        return entry

    def put(self, weight: Tensor, entry: _Entry) -> None:
        """Keeps an entry, and forgets those of weights that are gone."""
        with self._lock:
            gone = [key for key, other in self._entries.items() if other.storage.expired()]
            for key in gone:
                del self._entries[key]
            self._entries[self._key(weight)] = entry


_cache = _Cache()


def packed_weight(weight: Tensor, groups: int, recipe: Recipe) -> Optional[PackedWeight]:
    """The codes of a weight ``[out, in]`` on the CPU, of any type of floats, kept or made anew.

    Returns:
        None for a weight with a NaN or an infinity.
    """
    bytes_of = _rows_of_bytes(weight)
    if bytes_of is None:
        return _pack(weight, groups, recipe)
    state = (
        weight.data_ptr(), version(weight), weight.shape, weight.stride(), weight.dtype, groups,
        recipe,
    )
    entry = _cache.find(weight, state)
    if entry is None:
        _cache.put(weight, _Entry(StorageWeakRef(weight.untyped_storage()), state))
        return _pack(weight, groups, recipe)
    checksum = _checksum(weight, *bytes_of)
    if entry.packed is None or entry.checksum != checksum:
        entry.packed, entry.checksum = _pack(weight, groups, recipe), checksum
    return entry.packed


def pack(
    weight: Tensor, groups: int, recipe: Recipe,
    statistics: Optional[tuple[Tensor, Tensor]] = None,
) -> PackedWeight:
    """The codes of a weight ``[out, in]`` on the CPU, of any type of floats.

    Args:
        statistics: those of the groups, where they are known; see :class:`Layer`.

    Raises:
        ValueError: a scale is not finite.
    """
    packed, status = _pack_with_status(weight, groups, recipe, statistics)
    check(status)
    return packed


def _pack(weight: Tensor, groups: int, recipe: Recipe) -> Optional[PackedWeight]:
    packed, status = _pack_with_status(weight, groups, recipe)
    if status == NOT_FINITE:
        return None
    check(status)
    return packed


def _pack_with_status(
    weight: Tensor, groups: int, recipe: Recipe,
    statistics: Optional[tuple[Tensor, Tensor]] = None,
) -> tuple[PackedWeight, int]:
    out_features, in_features = weight.shape
    layout = native_layout(recipe.weights)
    codes = torch.empty(
        codes_shape(recipe.weights, out_features, in_features, layout), dtype=torch.int8,
        device="cpu",
    )
    scale = torch.empty(groups, dtype=torch.float32, device="cpu")
    layer = CLayerOf(Layer(weight, None, None, None, groups, recipe, statistics))
    follow_torch()
    status = library.bitlinear_pack_codes(
        recipe.pointer, layer.value, codes.data_ptr(), scale.data_ptr()
    )
    return PackedWeight(codes, scale), status


def _rows_of_bytes(weight: Tensor) -> Optional[tuple[int, int, int]]:
    """Rows, bytes of a row and bytes between rows; None for memory that is no such rows."""
    if weight.is_neg() or weight._is_zerotensor() or weight.stride(1) != 1:
        return None
    if weight.stride(0) < weight.shape[1]:
        return None  # Rows that overlap, as those of expand().
    size = weight.element_size()
    return weight.shape[0], weight.shape[1] * size, weight.stride(0) * size


def _checksum(weight: Tensor, rows: int, row_bytes: int, stride: int) -> int:
    result = ctypes.c_uint64()
    follow_torch()
    check(
        library.bitlinear_checksum(
            weight.data_ptr(), rows, row_bytes, stride, ctypes.byref(result)
        )
    )
    return result.value
