"""A packed layer of the library, as an object."""

from __future__ import annotations

import ctypes
import itertools
import secrets
import weakref
from typing import NamedTuple

import torch
from torch import Tensor

from ._library import CPackedInfo, CRecipe, check, library
from ._memory import require_float32, rows
from ._recipe import Recipe, c_recipe, from_c
from ._threads import follow_torch
from ._training import c_layer


class PackedParts(NamedTuple):
    """What a packed layer is made of, as its files name it.

    Codes are ``[out, row_bytes]``, consecutive from the lowest bits: code + 1 in 2 bits for ternary
    weights, a bit that is set for +1 for sign weights. Scales are ``[groups]``, or
    ``[out, blocks]`` where a block of weights along a row has its own.
    """

    recipe: Recipe
    in_features: int
    block_features: int
    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None
    norm_weight: Tensor | None
    norm_bias: Tensor | None


class PackedHandle:
    """A packed layer in the library's memory, freed with this object. It never changes.

    Attributes:
        key: the number of the handle in this process, for the operation in a graph.
        recipe, in_features, out_features, groups, nbytes: what the layer is.
    """

    # From a random number, so that a graph of another process does not find a layer of this one.
    _keys = itertools.count(secrets.randbits(62))
    _alive: weakref.WeakValueDictionary[int, PackedHandle] = weakref.WeakValueDictionary()

    def __init__(self, pointer: ctypes.c_void_p) -> None:
        self._pointer = pointer
        self._free = weakref.finalize(self, library.bitlinear_packed_free, pointer)
        # At exit other threads may still compute with it; the process frees it then.
        self._free.atexit = False
        info = CPackedInfo()
        check(library.bitlinear_packed_describe(pointer, ctypes.byref(info)))
        self._info = info
        self.recipe = from_c(info.recipe)
        self.in_features: int = info.in_features
        self.out_features: int = info.out_features
        self.groups: int = 1 if info.block_features else info.scale_count
        self.nbytes: int = info.byte_count
        self.key = next(self._keys)
        self._alive[self.key] = self

    @staticmethod
    def of_key(key: int) -> PackedHandle:
        """The handle of a number.

        Raises:
            ValueError: there is none, as in a graph that another process exported.
        """
        handle = PackedHandle._alive.get(key)
        if handle is None:
            raise ValueError(
                f"packed layer {key} is not in this process: a graph refers to packed layers by "
                "number, so export it where it runs"
            )
        return handle

    @staticmethod
    def pack(weight: Tensor, bias: Tensor | None, groups: int, recipe: Recipe) -> PackedHandle:
        """Packs float32 weights ``[out, in]`` and a bias ``[out]``.

        Raises:
            ValueError: a scale is not finite, or something does not fit.
        """
        layer, alive = c_layer(weight, bias, groups)
        pointer = ctypes.c_void_p()
        follow_torch()
        check(library.bitlinear_pack(c_recipe(recipe), layer, ctypes.byref(pointer)))
        del alive
        return PackedHandle(pointer)

    @staticmethod
    def from_parts(parts: PackedParts) -> PackedHandle:
        """The layer of its parts.

        Raises:
            ValueError: the parts do not fit one another.
        """
        codes = parts.weight.contiguous()
        if codes.dim() != 2 or codes.dtype is not torch.uint8 or codes.device.type != "cpu":
            raise ValueError(
                f"found packed codes {list(codes.shape)} of {codes.dtype} on {codes.device}, "
                "expected [out, bytes] of torch.uint8 on cpu"
            )
        scales = _vector(parts.weight_scale, parts.weight_scale.numel(), "weight_scale")
        bias = _vector(parts.bias, codes.shape[0], "bias")
        norms = [
            _vector(parts.norm_weight, parts.in_features, "norm.weight"),
            _vector(parts.norm_bias, parts.in_features, "norm.bias"),
        ]
        info = CPackedInfo(
            CRecipe(*parts.recipe), parts.in_features, codes.shape[0], scales.numel(),
            parts.block_features, codes.shape[1],
        )
        pointer = ctypes.c_void_p()
        check(
            library.bitlinear_packed_from_codes(
                ctypes.byref(info), codes.data_ptr(), scales.data_ptr(),
                *(None if part is None else part.data_ptr() for part in (bias, *norms)),
                ctypes.byref(pointer),
            )
        )
        return PackedHandle(pointer)

    def parts(self) -> PackedParts:
        """Copies of the parts."""
        info = self._info
        codes = torch.empty((self.out_features, info.row_bytes), dtype=torch.uint8)
        scales = torch.empty(info.scale_count, dtype=torch.float32)
        vectors = [
            torch.empty(count, dtype=torch.float32) if exists else None
            for count, exists in (
                (self.out_features, info.has_bias), (self.in_features, info.has_norm_weight),
                (self.in_features, info.has_norm_bias),
            )
        ]
        check(
            library.bitlinear_packed_read(
                self._pointer, codes.data_ptr(), scales.data_ptr(),
                *(None if vector is None else vector.data_ptr() for vector in vectors),
            )
        )
        if info.block_features:
            scales = scales.view(self.out_features, -1)
        return PackedParts(
            self.recipe, self.in_features, info.block_features, codes, scales, *vectors
        )

    def forward(self, x: Tensor) -> Tensor:
        """The output ``[..., out]``, float32, for an input ``[..., in]``, float32."""
        in_features, out_features = self.in_features, self.out_features
        if x.dim() == 0 or x.shape[-1] != in_features:
            raise ValueError(f"found an input {list(x.shape)}, expected [..., {in_features}]")
        x, stride = rows(x)
        y = x.new_empty((*x.shape[:-1], out_features))
        follow_torch()
        check(
            library.bitlinear_packed_forward(
                self._pointer, x.data_ptr(), x.numel() // in_features, stride, y.data_ptr(),
                out_features,
            )
        )
        return y

    @property
    def pointer(self) -> ctypes.c_void_p:
        """The library's handle; valid as long as this object lives."""
        return self._pointer

    def __reduce__(self):
        return _unpickle, tuple(self.parts())

    def __deepcopy__(self, _memo) -> PackedHandle:
        return self  # It never changes.


def _unpickle(recipe, *others) -> PackedHandle:
    return PackedHandle.from_parts(PackedParts(Recipe(*recipe), *others))


def _vector(tensor: Tensor | None, count: int, name: str) -> Tensor | None:
    if tensor is None:
        return None
    require_float32(tensor)
    if tensor.numel() != count:
        raise ValueError(f"found {name} of {tensor.numel()} numbers, expected {count}")
    return tensor.contiguous()


@torch.library.custom_op("bitlinear::packed_forward", mutates_args=(), device_types="cpu")
def packed_forward_op(x: Tensor, key: int, out_features: int) -> Tensor:
    """The output of the packed layer of that key, for a graph."""
    return PackedHandle.of_key(key).forward(x)


@packed_forward_op.register_fake
def _(x, key, out_features):
    return x.new_empty((*x.shape[:-1], out_features))
