"""The inputs and outputs of a layer that is spread over processes, in the layouts users ask for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor.placement_types import Placement

from ._checks import require_floating
from ._mesh import as_dtensor, reduced, sum_gradients
from ._parallel_limits import refuse_transforms
from ._sharded import Split


def take_input(input: Tensor, split: Split) -> Tensor:
    """The part of the input that this process computes with, differentiable.

    Raises:
        TypeError: the input is not a floating point tensor, or nested.
        ValueError: its last dimension does not fit.
    """
    require_floating(input)
    refuse_transforms(input)
    if input.is_nested:
        raise TypeError("found a nested tensor, expected a plain one: layers that are spread over "
                        "processes take no others")
    if input.dim() == 0:
        raise ValueError(f"found an input of a scalar, expected {split.features[0]} features")
    wanted: Placement = Shard(input.dim() - 1) if split.is_rowwise else Replicate()
    layout = split.input_layout
    if isinstance(layout, Shard):
        layout = Shard(layout.dim % input.dim())
    if not isinstance(input, DTensor) and layout == wanted:
        x = input if split.is_rowwise else sum_gradients(input, split.processes)
    else:
        whole = input
        if not isinstance(whole, DTensor):
            if isinstance(layout, Shard):
                _check_lengths(input, layout.dim, split)
            whole = DTensor.from_local(input, split.mesh, [layout], run_check=False)
        x = whole.redistribute(placements=[wanted]).to_local(
            grad_placements=None if split.is_rowwise else [Partial()]
        )
    expected = split.columns if split.is_rowwise else split.features[0]
    if x.shape[-1] != expected:
        words = " of this process" if split.is_rowwise else ""
        raise ValueError(
            f"found an input of {x.shape[-1]} features in the last dimension{words}, expected "
            f"{expected}"
        )
    return x


def _check_lengths(input: Tensor, dim: int, split: Split) -> None:
    """Raises ValueError, in all processes, unless they have equal parts of the input.

    A plain tensor does not say how long the whole is, and redistributing unequal parts as if they
    were equal ends the process.
    """
    # On the device of the input, where the processes can exchange numbers.
    own = torch.tensor([input.shape[dim], -input.shape[dim]], device=input.device)
    most, least = reduced(own, [split.processes], dist.ReduceOp.MAX).tolist()
    if most != -least:
        raise ValueError(
            f"found parts of {-least} to {most} elements in dimension {dim} of the input, expected "
            f"{most} in all {split.mesh.size()} processes; DTensors may have unequal parts"
        )


def give_output(y: Tensor, split: Split, leading: Sequence[int]) -> Tensor:
    """The output as the style promises it, from this process's part.

    Args:
        y: of a column-wise layer, the output features of this process; of a row-wise one, the part
            that this process has in the layout of the output.
        leading: the shape of the input without its last dimension.
    """
    shape = (*leading, split.features[1])
    layout = split.output_layout
    if isinstance(layout, Shard):
        layout = Shard(layout.dim % len(shape))
    computed = layout if split.is_rowwise else Shard(len(shape) - 1)
    if split.use_local_output and computed == layout:
        return y
    whole = as_dtensor(y, split.mesh, [computed], shape).redistribute(placements=[layout])
    return whole.to_local() if split.use_local_output else whole
