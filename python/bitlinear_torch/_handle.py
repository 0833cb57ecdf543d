"""A packed layer for the library, which reads the codes where they are."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from . import _codes
from . import _formula as formula
from ._library import CPackedInfo, check, library
from ._memory import FLOAT_TYPES, address, rows, vector
from ._threads import follow_torch
from .recipe import Recipe


# Up to so many tokens weights are unpacked by parts of so many values.
_FEW_TOKENS = 64
_PART_VALUES = 3 << 17


class _Scratch(threading.local):
    """Memory for the weights of one product at a time, in each thread.

    New memory of that size would cost as much as filling it.
    """

    _limit = 64 << 20
    _memory: Optional[Tensor] = None

    def of(self, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
        """Memory ``[rows, columns]``, which the next call may give again."""
        size = rows * columns * dtype.itemsize
        if size > self._limit:
            return torch.empty((rows, columns), dtype=dtype, device="cpu")
        if self._memory is None or self._memory.numel() < size:
            self._memory = torch.empty(size, dtype=torch.uint8, device="cpu")
        return self._memory[:size].view(dtype).view(rows, columns)


_scratch = _Scratch()


class Parts(NamedTuple):
    """What a packed layer is made of.

    Attributes:
        codes: int8, in a layout of ``_codes``; the tensor that a kernel reads.
        scale: ``[groups]``, or ``[out, blocks]`` where a block of weights of a row has its own.
        bias, norm_weight, norm_bias: ``[out]`` and twice ``[in]``, or None.
    """

    codes: Tensor
    scale: Tensor
    bias: Optional[Tensor]
    norm_weight: Optional[Tensor]
    norm_bias: Optional[Tensor]


class Shape(NamedTuple):
    """What is known of a packed layer without its tensors."""

    in_features: int
    out_features: int
    layout: int
    recipe: Recipe

    def block_features(self, scale: Tensor) -> int:
        """The weights of a row that share a scale; 0 for groups of rows."""
        return formula.block_length(self.in_features, scale.shape[1]) if scale.dim() == 2 else 0


class Handle:
    """A packed layer of the library, which reads tensors where they are.

    So it is the layer of whatever these tensors hold; it ends where one of them moves.
    """

    def __init__(
        self, pointer: ctypes.c_void_p, alive: Any = None, copied: frozenset[str] = frozenset()
    ) -> None:
        self.pointer = pointer
        self._alive = alive
        #: The names of parts that the library reads from copies.
        self.copied = copied
        free = weakref.finalize(self, library.bitlinear_packed_free, pointer)
        # At exit other threads may still compute with it; the process frees it then.
        free.atexit = False

    @staticmethod
    def of(parts: Parts, shape: Shape, keeps: bool = True) -> Handle:
        """The handle of a layer on the CPU.

        Args:
            parts, shape: the layer.
            keeps: whether the handle keeps the tensors; otherwise they must outlive it.

        Raises:
            ValueError: the parts do not fit one another.
        """
        recipe, weights = shape.recipe, shape.recipe.weights
        native = _codes.native_layout(weights)
        _codes.check_codes(
            parts.codes, weights, shape.out_features, shape.in_features, shape.layout
        )
        codes = _codes.convert(
            parts.codes, weights, shape.out_features, shape.in_features, shape.layout, native
        ).contiguous()
        scale = vector(parts.scale)
        assert scale is not None
        vectors = [
            _checked(vector(part), count, name)
            for part, count, name in (
                (parts.bias, shape.out_features, "bias"),
                (parts.norm_weight, shape.in_features, "norm.weight"),
                (parts.norm_bias, shape.in_features, "norm.bias"),
            )
        ]
        info = CPackedInfo(
            recipe.pointer._obj, shape.in_features, shape.out_features, scale.numel(),
            shape.block_features(scale), _codes.row_bytes(weights, shape.in_features),
        )
        pointer = ctypes.c_void_p()
        check(
            library.bitlinear_packed_borrow(
                ctypes.byref(info), codes.data_ptr(), scale.data_ptr(), *map(address, vectors),
                ctypes.byref(pointer),
            )
        )
        used = Parts(codes, scale, *vectors)
        # What had to be converted was copied, and nobody else has the copy.
        copies = {
            name: tensor for name, tensor in used._asdict().items()
            if tensor is not None and tensor.data_ptr() != getattr(parts, name).data_ptr()
        }
        return Handle(pointer, used if keeps else tuple(copies.values()), frozenset(copies))

    def forward(self, x: Tensor, in_features: int, out_features: int) -> Tensor:
        """The output ``[..., out]``, float32, for an input ``[..., in]``, float32."""
        x, stride = rows(x)
        return self.forward_plain(x, in_features, out_features, stride)

    def forward_plain(
        self, x: Tensor, in_features: int, out_features: int, stride: Optional[int] = None
    ) -> Tensor:
        """The same for rows in plain memory that are ``stride`` elements apart."""
        y = x.new_empty((*x.shape[:-1], out_features))
        follow_torch()
        status = library.bitlinear_packed_forward(
            self.pointer, x.data_ptr(), x.numel() // in_features, stride or in_features,
            y.data_ptr(), out_features,
        )
        if status:
            check(status)
        return y

    def times(self, rows: Tensor, out_features: int, in_features: int) -> Tensor:
        """rows ``[tokens, out]`` times the weights, in the type of rows, by PyTorch's product."""
        values_type = rows.dtype if rows.dtype in FLOAT_TYPES else torch.float32
        # In backward autocast may be on or off, whatever it was in forward.
        with torch.autocast("cpu", enabled=False):
            # Threads of PyTorch and of the library in turn would wait for one another's spinning.
            if rows.shape[0] > _FEW_TOKENS or torch.get_num_threads() > 1:
                whole = _scratch.of(out_features, in_features, values_type)
                return rows @ self.values_into(whole, 0).to(rows.dtype)
            # For few tokens writing the weights would take longer than multiplying: by parts that
            # stay in the caches.
            count = max(64, _PART_VALUES // in_features // 64 * 64)
            extents = min(count, out_features), in_features
            part = torch.empty(extents, dtype=values_type, device="cpu")
            total = torch.zeros((rows.shape[0], in_features), dtype=torch.float32, device="cpu")
            for first in range(0, out_features, count):
                values = self.values_into(part[: out_features - first], first)
                total += rows[:, first : first + count] @ values.to(rows.dtype)
            return total

    def values(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """The weights that the codes stand for, in the shape ``[out, in]``, float32 or bfloat16."""
        return self.values_into(torch.empty(tuple(shape), dtype=dtype, device="cpu"), 0)

    def values_into(self, values: Tensor, first_row: int) -> Tensor:
        """The weights of as many rows as ``values`` has, from ``first_row``, a multiple of 64."""
        follow_torch()
        check(
            library.bitlinear_packed_values(
                self.pointer, first_row, values.shape[0], FLOAT_TYPES[values.dtype],
                values.data_ptr(),
            )
        )
        return values


def _checked(tensor: Optional[Tensor], count: int, name: str) -> Optional[Tensor]:
    if tensor is not None and tensor.numel() != count:
        raise ValueError(f"found {name} of {tensor.numel()} numbers, expected {count}")
    return tensor
