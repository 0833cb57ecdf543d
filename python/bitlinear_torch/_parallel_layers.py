"""BitLinear with a part of its weight in each process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Optional

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from . import _codes
from . import _formula as formula
from ._column_product import column_product
from ._handle import Parts, Shape
from ._layer import Layer
from ._layouts import give_output, take_input
from ._mesh import as_dtensor, local, sum_gradients
from ._parallel_limits import Spread, not_compiled
from ._parallel_packed import check_split, own_scales, spread_packed
from ._routes import is_direct
from ._sharded import Split, blended_product, normalize, shared_statistics, sharded_product
from ._sharded_codes import pack_rows, require_packable
from ._operators import bit_linear
from ._types import output_type, product_type
from .linear import BitLinear, warn_of_coupling
from .packed import PackedBitLinear
from .recipe import Recipe

if TYPE_CHECKING:
    _Base = BitLinear
else:
    # A class that FSDP or a user made of BitLinear comes after this one.
    _Base = object


class ShardedBitLinear(Spread, _Base):
    """What a :class:`BitLinear` does instead once its parameters are DTensors of a split."""

    _split: Split

    @not_compiled
    def forward(self, input: Tensor) -> Tensor:
        """The output in the layout of the parallel style; see :class:`BitLinear`."""
        split = self._split
        x = take_input(input, split)
        if self.training and x.dim() > 2 and not self.recipe.per_token:
            warn_of_coupling()
        product, output = product_type(self.weight), output_type(x)
        with torch.autocast(x.device.type, enabled=False):
            y = self._own_output(x.float(), product)
        return give_output(y.to(output), split, x.shape[:-1])

    def _own_output(self, x: Tensor, product: torch.dtype) -> Tensor:
        """The part of the output of this process, float32."""
        split, recipe, strength = self._split, self.recipe, self._strength
        weight, bias, factor, offset = (
            None if part is None else part.float() for part in (
                local(self.weight), local(self.bias), *self._norm_parts())
        )
        assert weight is not None
        if not split.is_rowwise:
            # All rows come of the whole token, so each process has a summand of these gradients.
            factor, offset = (
                None if part is None else sum_gradients(part, split.processes)
                for part in (factor, offset)
            )
            if self.groups % split.mesh.size() == 0:
                groups = self.groups // split.mesh.size()
                return bit_linear(
                    x, weight, bias, factor, offset, groups, recipe, strength, product,
                    self.backend,
                )
        parameter, scale, _ = shared_statistics(self.weight, recipe, self.groups)
        if not split.is_rowwise:
            is_library = self.backend == "auto" and strength is None and is_direct(x, weight)
            if is_library and bool(scale.isfinite().all()):
                statistics = parameter, scale
                layer = Layer(weight, bias, factor, offset, split.rows, recipe, statistics)
                return column_product(x, layer, product)
            x = formula.normalize(x, recipe, factor, offset)
        else:
            x = normalize(x, split, recipe, factor, offset)
        codes = _codes_of(weight.detach(), recipe, parameter, scale)
        if strength is None:
            return sharded_product(x, weight, codes, bias, split, recipe, product)
        return blended_product(x, weight, codes, bias, split, recipe, strength)

    def _norm_parts(self) -> tuple[Optional[Tensor], Optional[Tensor]]:
        norm = self.norm
        return (None, None) if norm is None else (local(norm.weight), local(norm.bias))

    def quantized_weight(self) -> Tensor:
        """The weight of full strength, a DTensor like ``weight``; all processes must call this."""
        weight = self.weight
        own = local(weight)
        assert own is not None and isinstance(weight, DTensor)
        parameter, scale, _ = shared_statistics(weight, self.recipe, self.groups)
        codes = _codes_of(own.detach().float(), self.recipe, parameter, scale)
        values = formula.weight_values(codes())
        if weight.requires_grad and torch.is_grad_enabled():
            values = values + (own.float() - own.detach().float())
        return as_dtensor(values, weight.device_mesh, weight.placements, weight.shape)

    def pack(self) -> PackedBitLinear:
        """The layer for inference, of which each process has the same part; all must call this.

        Raises:
            ValueError: as :meth:`BitLinear.pack`; or this process's part would not be whole groups,
                or whole bytes, of a packed layer.
        """
        split = self._split
        require_packable(self)
        check_split(split, self.recipe, self.groups)
        parameter, row_scale, scale = shared_statistics(self.weight, self.recipe, self.groups)
        weight = local(self.weight)
        assert weight is not None
        rows = pack_rows(weight.detach(), self.recipe, parameter, row_scale)
        layout = _codes.native_layout(self.recipe.weights)
        codes = _codes.convert(
            rows, self.recipe.weights, split.rows, split.columns, _codes.ROWS, layout
        )
        own = [
            None if part is None else part.detach().float().clone()
            for part in (local(self.bias), *self._norm_parts())
        ]
        parts = Parts(codes, own_scales(scale, split), *own)
        packed = PackedBitLinear(parts, Shape(split.columns, split.rows, layout, self.recipe))
        packed.backend = self.backend
        return spread_packed(packed, split, self.groups)


def _codes_of(
    weight: Tensor, recipe: Recipe, parameter: Tensor, scale: Tensor
) -> Callable[[], formula.Codes]:
    """What makes the codes of a part of a weight from the statistics of its rows."""
    return lambda: formula.weight_codes(weight, recipe, weight.shape[0], (parameter, scale))


def spread_latent(layer: BitLinear, split: Split) -> BitLinear:
    """The layer, whose parameters are DTensors already, as one of a split."""
    kind = type(layer)
    layer.__class__ = type(
        f"Sharded{kind.__name__}", (ShardedBitLinear, kind), {"__module__": kind.__module__}
    )
    layer.__dict__["_split"] = split
    return layer
