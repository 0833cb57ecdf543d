"""A layer of which each process has a part: its norm, its codes, its product.

Column-wise, processes have rows of the weight and compute columns of the output. Row-wise, they
have columns of the weight and of the input; what the layer takes from a whole token or a whole
group of weights (norm, max|x|, scale) they share, so that the codes are those of the whole layer,
and so are the sums of products, which are added as whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Optional, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor.placement_types import Placement

from . import _formula as formula
from ._mesh import Processes, SharedGroups, as_dtensor, part_of, reduced, shared_sum
from ._parallel_limits import last_gradients
from ._straight_through import gradients_of_codes
from .recipe import Recipe


class Split(NamedTuple):
    """How a layer is spread over processes.

    Attributes:
        mesh: of one dimension.
        is_rowwise: whether processes have columns of the weight; otherwise rows.
        input_layout, output_layout: of the input that the layer is given and the output it gives.
        use_local_output: whether the output is a plain tensor, not a DTensor.
        features: of the whole layer, input and output.
        first: the first row or column of this process.
        length: its rows or columns.
    """

    mesh: DeviceMesh
    is_rowwise: bool
    input_layout: Placement
    output_layout: Placement
    use_local_output: bool
    features: tuple[int, int]
    first: int
    length: int

    @property
    def columns(self) -> int:
        """The columns of the weight that this process has."""
        return self.length if self.is_rowwise else self.features[0]

    @property
    def rows(self) -> int:
        """The rows of the weight that this process has."""
        return self.features[1] if self.is_rowwise else self.length

    @property
    def processes(self) -> Processes:
        """Those that have parts of the layer."""
        return self.mesh.get_group()


def share(length: int, processes: int) -> int:
    """How many of ``length`` rows or columns each process has; the last may have fewer."""
    return -(-length // processes)


def normalize(
    x: Tensor, split: Split, recipe: Recipe, weight: Optional[Tensor], bias: Optional[Tensor]
) -> Tensor:
    """The normalized columns ``[..., columns]`` of a token, which processes have in parts."""
    if recipe.norm is None:
        return x
    length, columns = split.features[0] // recipe.norm_groups, x.shape[-1]
    if _have_whole_groups(split, length):
        return formula.normalize(x, replace(recipe, norm_groups=columns // length), weight, bias)
    groups = (torch.arange(columns, device=x.device) + split.first) // length

    def means(values: Tensor) -> Tensor:
        total = values.new_zeros(*values.shape[:-1], recipe.norm_groups)
        total = total.index_add(-1, groups, values)
        return (shared_sum(total, split.processes) / length)[..., groups]

    if recipe.norm != "rms":
        x = x - means(x)
    x = x * (1 / (means(x.square()) + recipe.norm_eps).sqrt())
    if weight is not None:
        x = x * weight
    return x if bias is None else x + bias


def _have_whole_groups(split: Split, length: int) -> bool:
    """Whether each process has whole groups of so many columns; the same answer in all."""
    features, processes = split.features[0], split.mesh.size()
    return features > length and share(features, processes) % length == 0


def shared_statistics(
    weight: Tensor, recipe: Recipe, groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What the codes of a weight are made with of which processes have parts (DTensor).

    Returns:
        The number that codes are made with, and the scale, of each row of the part; and the scale
        of each group of the whole weight. All processes must call this.
    """
    part = part_of(weight, "weight")
    shared = SharedGroups(part, groups)
    parameter, scale = formula.weight_statistics(part.values.float(), recipe, shared)
    return parameter[shared.of_rows], scale[shared.of_rows], scale


def sharded_product(
    x: Tensor, weight: Optional[Tensor], codes: Callable[[], formula.Codes],
    bias: Optional[Tensor], split: Split, recipe: Recipe, product_type: torch.dtype,
) -> Tensor:
    """This process's part of the output, float32, with straight-through gradients.

    Args:
        x: normalized: whole tokens for a column-wise layer, whose gradients are then summands;
            columns of them for a row-wise one.
        weight: the latent weight ``[rows, columns]``, if the codes are made of one.
        codes: gives the codes of the part, with a scale for each row or group of rows.
        bias: ``[rows]``.
        product_type: in which backward multiplies.
    """
    y = _Product.apply(  # type: ignore[no-untyped-call]
        x, weight, bias, codes, split, recipe, product_type
    )
    return cast(Tensor, y)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Optional[Tensor], bias: Optional[Tensor],
        codes: Callable[[], formula.Codes], split: Split, recipe: Recipe, product_type: torch.dtype,
    ) -> Tensor:
        largest = None
        if split.is_rowwise:
            largest = _shared_largest(x, recipe, split)
        # Of the weight only the count of its changes is asked for.
        ctx.save_for_backward(x, weight, largest)
        ctx.options = codes, split, recipe, product_type
        input_codes = formula.input_codes(x, recipe, largest)
        use_int8 = x.device.type == "cuda"
        if not split.is_rowwise:
            return formula.product(input_codes, codes(), bias, recipe, use_int8)
        return _row_product(input_codes, codes(), bias, split, recipe, use_int8)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, weight, largest = ctx.saved_tensors
        codes, split, recipe, product_type = ctx.options
        wanted = ctx.needs_input_grad[:3]

        def compute() -> tuple[Optional[Tensor], ...]:
            shape = (*x.shape[:-1], split.features[1])
            return gradients_of_codes(
                _whole(grad, split, shape) if split.is_rowwise else grad,
                lambda: formula.input_codes(x, recipe, largest), codes, recipe, product_type,
                wanted,
            )

        found = last_gradients(compute, grad, x, weight)
        return (*found, None, None, None, None)


def _shared_largest(x: Tensor, recipe: Recipe, split: Split) -> Tensor:
    """max|x| of whole tokens; infinite for one with a NaN, which a maximum may pass over."""
    largest = formula.largest_magnitudes(x, recipe)
    largest = torch.where(largest.isfinite(), largest, torch.full_like(largest, torch.inf))
    return reduced(largest, [split.processes], dist.ReduceOp.MAX)


def _row_product(
    x: formula.Codes, weight: formula.Codes, bias: Optional[Tensor], split: Split, recipe: Recipe,
    use_int8: bool,
) -> Tensor:
    """The output in its layout: sums over the columns of all processes, then as ``product``."""
    sums = formula.exact_sums(x.codes, weight.codes, recipe.activation_bits, use_int8)
    largest_sum = split.features[0] << (recipe.activation_bits - 1)
    sums = sums.to(torch.int32 if largest_sum < 1 << 31 else torch.int64)
    row_scale = formula.rows_of(weight.scale, split.features[1])
    scale = x.scale
    if isinstance(split.output_layout, Shard):
        dim = _dim(split, sums)
        # An empty input gives an empty part, of which there is nothing to sum.
        sums = DTensor.from_local(sums, split.mesh, [Partial()], run_check=False).redistribute(
            placements=[Shard(dim)]
        ).to_local()
        if dim == sums.dim() - 1:
            row_scale = _own(row_scale, 0, split)
            bias = None if bias is None else _own(bias, 0, split)
        else:
            scale = _own(scale, dim, split)
    else:
        sums = reduced(sums, [split.processes])
    total = sums.float() * row_scale * scale.reciprocal()
    return total if bias is None else total + bias


def blended_product(
    x: Tensor, weight: Tensor, codes: Callable[[], formula.Codes], bias: Optional[Tensor],
    split: Split, recipe: Recipe, strength: Tensor,
) -> Tensor:
    """This process's part of the output at a strength below 1, float32; as ``sharded_product``."""
    with torch.no_grad():
        largest = _shared_largest(x, recipe, split) if split.is_rowwise else None
        values = formula.input_values(formula.input_codes(x.detach(), recipe, largest), recipe)
        change = strength * (values - x)
        weight_change = strength * (formula.weight_values(codes()) - weight)
    y = torch.nn.functional.linear(x + change, weight + weight_change)
    if split.is_rowwise:
        whole = DTensor.from_local(y, split.mesh, [Partial()], run_check=False)
        whole = whole.redistribute(placements=[Replicate()])
        local = whole.to_local() if bias is None else whole.to_local() + bias
        return as_dtensor(local, split.mesh, [Replicate()], local.shape).redistribute(
            placements=[_layout(split, local)]
        ).to_local()
    return y if bias is None else y + bias


def _dim(split: Split, y: Tensor) -> int:
    """The dimension in which the output is sharded."""
    layout = split.output_layout
    assert isinstance(layout, Shard)
    return layout.dim % y.dim()


def _layout(split: Split, y: Tensor) -> Placement:
    is_shard = isinstance(split.output_layout, Shard)
    return Shard(_dim(split, y)) if is_shard else split.output_layout


def _own(tensor: Tensor, dim: int, split: Split) -> Tensor:
    """What this process has of a tensor that is sharded in a dimension."""
    length = tensor.shape[dim]
    step = share(length, split.mesh.size())
    first = min(length, step * split.mesh.get_local_rank())
    return tensor.narrow(dim, first, min(step, length - first))


def _whole(grad: Tensor, split: Split, shape: tuple[int, ...]) -> Tensor:
    """The gradient of the whole output."""
    if not isinstance(split.output_layout, Shard):
        return grad
    whole = as_dtensor(grad, split.mesh, [_layout(split, grad)], shape)
    return whole.redistribute(placements=[Replicate()]).to_local()
