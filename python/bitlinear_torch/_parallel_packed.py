"""PackedBitLinear with a part of its codes in each process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.placement_types import Placement

from . import _codes
from ._handle import Shape
from ._layouts import give_output, take_input
from ._mesh import as_dtensor
from ._packed_state import NAMES
from ._parallel_limits import Spread, not_compiled
from ._packed import packed_linear, packed_linear_in_graph, quantized_parts
from ._routes import is_direct
from ._sharded import Split, normalize, sharded_product
from ._types import output_type
from .packed import PackedBitLinear, PackedNorm
from .recipe import Recipe

if TYPE_CHECKING:
    _Base = PackedBitLinear
else:
    _Base = object


class ShardedPackedBitLinear(Spread, _Base):
    """What a :class:`PackedBitLinear` does instead once its buffers are parts of a layer.

    The buffers are plain tensors; ``state_dict`` has DTensors of the whole layer.
    """

    _split: Split
    _groups: int

    @property
    def groups(self) -> int:
        """The groups of the whole layer."""
        return self._groups

    @not_compiled
    def forward(self, input: Tensor) -> Tensor:
        """The output in the layout of the parallel style; see :class:`PackedBitLinear`."""
        split = self._split
        x = take_input(input, split)
        output = output_type(x)
        with torch.autocast(x.device.type, enabled=False):
            y = self._own_output(x.float())
        return give_output(y.to(output), split, x.shape[:-1])

    def _own_output(self, x: Tensor) -> Tensor:
        split, parts, shape = self._split, self.parts(), self.shape()
        if split.is_rowwise:
            x = normalize(x, split, self.recipe, parts.norm_weight, parts.norm_bias)
            return sharded_product(
                x, None, lambda: quantized_parts(parts, shape), parts.bias, split, self.recipe,
                torch.float32,
            )
        if self.backend == "auto" and is_direct(x, self.weight):
            return packed_linear(x, parts, shape, self.handle())
        return packed_linear_in_graph(x, parts, shape, self.backend)

    def shape(self) -> Shape:
        """What the operation must know of this process's part."""
        return Shape(self._split.columns, self._split.rows, self.layout, self.recipe)

    def dequantized_weight(self) -> Tensor:
        """The weights that the codes stand for, as a DTensor ``[out, in]`` of float32."""
        return as_dtensor(
            super().dequantized_weight(), self._split.mesh, [Shard(int(self._split.is_rowwise))],
            (self.out_features, self.in_features),
        )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, *arguments: Any
    ) -> None:
        for name in NAMES.values():
            found = state_dict.get(prefix + name)
            if isinstance(found, DTensor):
                state_dict[prefix + name] = found.to_local()
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def whole(self, name: str, part: Tensor) -> DTensor:
        """The DTensor of which ``part`` is what this process has; by its name in a state_dict."""
        split, shape = self._split, tuple(part.shape)
        placement: Placement = Shard(0)
        if name == "weight":
            placement = Shard(int(split.is_rowwise))
            shape = (self.out_features, _codes.row_bytes(self.recipe.weights, self.in_features))
        elif name.startswith("norm."):
            placement = Shard(0) if split.is_rowwise else Replicate()
            shape = (self.in_features,)
        elif split.is_rowwise or name == "weight_scale" and part.dim() == 1 == self._groups:
            placement = Replicate()
        elif name == "bias" or len(shape) == 2:
            shape = (self.out_features, *shape[1:])
        else:
            shape = (self._groups,)
        return as_dtensor(part, split.mesh, [placement], shape)


def spread_packed(layer: PackedBitLinear, split: Split, groups: int) -> PackedBitLinear:
    """The layer, whose buffers are parts already, as one of a split.

    Args:
        groups: of the whole layer.
    """
    kind = type(layer)
    layer.__class__ = type(
        f"Sharded{kind.__name__}", (ShardedPackedBitLinear, kind), {"__module__": kind.__module__}
    )
    layer.__dict__.update(_split=split, _groups=groups)
    layer.in_features, layer.out_features = split.features
    layer.__dict__.pop("_cache", None)
    layer.register_state_dict_post_hook(_give_whole)  # type: ignore[no-untyped-call]
    return layer


def _give_whole(layer: Any, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    for name in NAMES.values():
        if prefix + name in state:
            state[prefix + name] = layer.whole(name, state[prefix + name])


def split_packed(layer: PackedBitLinear, split: Split) -> PackedBitLinear:
    """Cuts this process's part out of a whole layer, in place."""
    recipe, parts, groups = layer.recipe, layer.parts(), layer.groups
    check_split(split, recipe, groups, parts.scale.dim())
    rows = _codes.convert(
        parts.codes, recipe.weights, split.features[1], split.features[0], layer.layout, _codes.ROWS
    )
    first, count = split.first, split.length
    if split.is_rowwise:
        start = _codes.row_bytes(recipe.weights, first)
        rows = rows[:, start : start + _codes.row_bytes(recipe.weights, count)]
    else:
        rows = rows[first : first + count]
        if layer.bias is not None:
            layer.bias = layer.bias[first : first + count].clone()
    layout = _codes.native_layout(recipe.weights)
    layer.weight = _codes.convert(
        rows.contiguous(), recipe.weights, split.rows, split.columns, _codes.ROWS, layout
    )
    layer.layout = layout
    layer.weight_scale = own_scales(parts.scale, split)
    if split.is_rowwise and layer.norm is not None:
        own = [
            None if part is None else part[first : first + count].clone()
            for part in (parts.norm_weight, parts.norm_bias)
        ]
        layer.norm = PackedNorm(*own)
    return spread_packed(layer, split, groups)


def own_scales(scale: Tensor, split: Split) -> Tensor:
    """The scales of this process's rows, of those of the whole layer."""
    if split.is_rowwise or scale.shape == (1,):
        return scale.clone()
    if scale.dim() == 2:
        return scale[split.first : split.first + split.length].clone()
    count = scale.shape[0] // split.mesh.size()
    return scale.narrow(0, split.mesh.get_local_rank() * count, count).clone()


def check_split(split: Split, recipe: Recipe, groups: int, scale_dims: int = 1) -> None:
    """Raises ValueError unless a packed layer can be cut so."""
    processes = split.mesh.size()
    if not split.is_rowwise:
        if groups > 1 and groups % processes:
            raise ValueError(
                f"found {groups} groups for {processes} processes, expected 1 group or a multiple "
                "of the processes: each must have whole groups of packed rows"
            )
        return
    if scale_dims == 2:
        raise ValueError(
            "found scales of blocks of weights in a row-wise layer, expected scales of rows: "
            "float sums over blocks would not equal those of the unsplit layer; use "
            "BitColwiseParallel"
        )
    step = processes * _codes.row_codes(recipe.weights)
    if split.features[0] % step:
        raise ValueError(
            f"found {split.features[0]} input features for {processes} processes, expected a "
            f"multiple of {step}: each must have whole bytes of packed rows"
        )
