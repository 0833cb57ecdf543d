"""Layers and models that are spread over processes by PyTorch's own engines.

Data parallel training (DistributedDataParallel, ``fully_shard``) and pipelines take BitLinear as
any layer; only where a recipe has one scale for the whole input ("bitnet"), each process has the
scale of its part of a batch, and the result is not that of one process. This module has what else
needs to know of quantization: styles of tensor parallelism for
``torch.distributed.tensor.parallel.parallelize_module``, and saving a packed model of which no
process has the whole.

::

    parallelize_module(block, mesh, {"up": BitColwiseParallel(), "down": BitRowwiseParallel()})
    ...
    save_packed_sharded(block, "model.safetensors")
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Optional

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ParallelStyle
from torch.distributed.tensor.placement_types import Placement

from ._parallel_layers import ShardedBitLinear, spread_latent
from ._parallel_packed import ShardedPackedBitLinear, split_packed
from ._sharded import Split, share
from ._sharded_file import save_packed_sharded
from .linear import BitLinear
from .packed import PackedBitLinear

__all__ = ["BitColwiseParallel", "BitRowwiseParallel", "save_packed_sharded"]


class _BitParallel(ParallelStyle):
    """What both styles have in common."""

    _is_rowwise: bool

    def __init__(
        self, *, input_layouts: Placement, output_layouts: Placement, use_local_output: bool
    ) -> None:
        super().__init__()
        for name, layout in (("input", input_layouts), ("output", output_layouts)):
            if not isinstance(layout, (Shard, Replicate)):
                raise ValueError(f"found {name}_layouts {layout!r}, expected Shard or Replicate")
        self.input_layouts = input_layouts
        self.output_layouts = output_layouts
        self.use_local_output = use_local_output

    @abstractmethod
    def _placement(self, name: str) -> Placement:
        """Where a parameter goes."""

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        if not isinstance(module, (BitLinear, PackedBitLinear)):
            raise TypeError(
                f"found a {type(module).__name__}, expected a BitLinear or PackedBitLinear; "
                "replace_linear makes them of nn.Linear"
            )
        if isinstance(module, FSDPModule):
            raise ValueError(
                "found a layer that fully_shard was applied to, expected one before that: first "
                "parallelize_module, then fully_shard"
            )
        if isinstance(module, (ShardedBitLinear, ShardedPackedBitLinear)):
            raise ValueError("found a layer that is spread over processes, expected a whole one")
        split = self._split_of(module, device_mesh)
        if isinstance(module, PackedBitLinear):
            return split_packed(module, split)
        # PyTorch before 2.7 has no choice of the rank whose values all take.
        source = {
            name: getattr(self, name) for name in ("src_data_rank",) if hasattr(self, name)
        }
        for name, parameter in list(module.named_parameters()):
            spread = distribute_tensor(
                parameter.detach(), device_mesh, [self._placement(name)], **source
            )
            owner, _, own = name.rpartition(".")
            module.get_submodule(owner).register_parameter(
                own, nn.Parameter(spread, parameter.requires_grad)
            )
        return spread_latent(module, split)

    def _split_of(self, layer: BitLinear | PackedBitLinear, mesh: DeviceMesh) -> Split:
        if mesh.ndim != 1:
            raise ValueError(
                f"found a mesh of {mesh.ndim} dimensions, expected 1: pass one dimension of it, "
                "such as mesh['tp']"
            )
        rank, processes = mesh.get_local_rank(), mesh.size()
        features = (layer.in_features, layer.out_features)
        length, kind = (features[0], "input") if self._is_rowwise else (features[1], "output")
        step = share(length, processes)
        if step * (processes - 1) >= length:
            raise ValueError(
                f"found {length} {kind} features for {processes} processes, expected at least one "
                f"for each: the first processes take {step} each and leave none for the last"
            )
        if self._is_rowwise and layer.recipe.activation_block is not None:
            raise ValueError(
                f"found activation_block {layer.recipe.activation_block} in a row-wise layer, "
                "expected None: float sums over blocks would not equal those of the unsplit layer; "
                "use BitColwiseParallel"
            )
        first = step * rank
        return Split(
            mesh, self._is_rowwise, self.input_layouts, self.output_layouts,
            self.use_local_output, features, first, min(step, length - first),
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(input_layouts={self.input_layouts}, "
            f"output_layouts={self.output_layouts}, use_local_output={self.use_local_output})"
        )


class BitColwiseParallel(_BitParallel):
    """Column-wise: each process computes some of the output features.

    Of BitLinear and PackedBitLinear, as ``ColwiseParallel`` of nn.Linear. Where ``groups`` is a
    multiple of the processes, each has groups of its own and nothing is shared, as arXiv 2310.11453
    means groups; otherwise processes add up the statistics of groups in every forward, also in eval
    mode. Either way the output has the bits of the unsplit layer at full strength; below it (see
    ``set_strength``) floats are multiplied, whose sums may be rounded otherwise. Gradients of the
    input are summed over the processes.

    Parameters become DTensors, so that checkpoints, optimizers, ``clip_grad_norm_`` and
    ``fully_shard`` work as with any; buffers of packed layers are DTensors in ``state_dict``.

    Args:
        input_layouts: the layout of an input that is a plain tensor; Replicate() without it.
        output_layouts: the layout of the output; Shard(-1) without it.
        use_local_output: whether the output is a plain tensor instead of a DTensor.
    """

    _is_rowwise = False

    def __init__(
        self, *, input_layouts: Optional[Placement] = None,
        output_layouts: Optional[Placement] = None, use_local_output: bool = True,
    ) -> None:
        super().__init__(
            input_layouts=input_layouts or Replicate(), output_layouts=output_layouts or Shard(-1),
            use_local_output=use_local_output,
        )

    def _placement(self, name: str) -> Placement:
        return Replicate() if name.startswith("norm.") else Shard(0)


class BitRowwiseParallel(_BitParallel):
    """Row-wise: each process multiplies some of the input features.

    Of BitLinear and PackedBitLinear, as ``RowwiseParallel`` of nn.Linear. Processes share what the
    norm, the scale of a token and the scale of a group of weights are made of, so that the codes
    are those of the unsplit layer; the sums of products are added as integers. The output has the
    bits of the unsplit layer where the recipe has no norm and the strength is full; a norm is
    summed in another order. The layer computes by PyTorch's operations, not by the library. In
    every forward, also in eval mode, scales of latent weights are computed anew and codes of packed
    layers are unpacked anew.

    Args:
        input_layouts: the layout of an input that is a plain tensor; Shard(-1) without it.
        output_layouts: the layout of the output; Replicate() without it. With Shard(1), as in
            sequence parallelism, the integers are reduced and scattered.
        use_local_output: whether the output is a plain tensor instead of a DTensor.
    """

    _is_rowwise = True

    def __init__(
        self, *, input_layouts: Optional[Placement] = None,
        output_layouts: Optional[Placement] = None, use_local_output: bool = True,
    ) -> None:
        super().__init__(
            input_layouts=input_layouts or Shard(-1), output_layouts=output_layouts or Replicate(),
            use_local_output=use_local_output,
        )

    def _placement(self, name: str) -> Placement:
        if name == "weight":
            return Shard(1)
        return Shard(0) if name.startswith("norm.") else Replicate()
