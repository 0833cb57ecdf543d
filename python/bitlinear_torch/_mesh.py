"""Sums over processes, and which part of a tensor a process owns."""

from __future__ import annotations

import ctypes
import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.distributed_c10d import _get_object_coll_device
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from . import _formula as formula
from ._parallel_limits import last_gradients

Processes = dist.ProcessGroup


class Part(NamedTuple):
    """The part of a tensor that a process owns.

    Attributes:
        values: the part, in memory of this process.
        shape: of the whole tensor.
        offset: where the part begins, for each dimension.
        processes: a sum over the whole tensor is one over the processes of each of these groups.
    """

    values: Tensor
    shape: tuple[int, ...]
    offset: tuple[int, ...]
    processes: tuple[Processes, ...]


def part_of(tensor: Tensor, name: str) -> Part:
    """The part of a tensor that this process owns: the whole of one that is no DTensor.

    Raises:
        ValueError: processes own summands of the tensor (Partial), or this process is not one of
            those that it is spread over.
    """
    shape = tuple(tensor.shape)
    if not isinstance(tensor, DTensor):
        return Part(tensor.detach(), shape, (0,) * len(shape), ())
    mesh, placements = tensor.device_mesh, tensor.placements
    if mesh.get_coordinate() is None:
        raise ValueError(f"{name}: found a tensor of other processes, expected this one among them")
    if any(placement.is_partial() for placement in placements):
        raise ValueError(
            f"{name}: found the placements {list(placements)}, expected shards or replicas"
        )
    _, offset = compute_local_shape_and_global_offset(shape, mesh, placements)
    processes = tuple(
        mesh.get_group(dim) for dim, placement in enumerate(placements)
        if not placement.is_replicate()
    )
    return Part(tensor.to_local().detach(), shape, tuple(offset), processes)


def reduced(tensor: Tensor, processes: Sequence[Processes], operation: Any = dist.ReduceOp.SUM
            ) -> Tensor:
    """The sum, or another reduction, over the processes of groups; all of them must call this."""
    if not processes or not tensor.numel():
        return tensor
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    for group in processes:
        dist.all_reduce(total, operation, group)
    return total


def gathered(value: Any) -> list[Any]:
    """The values of all processes of the default group in their order.

    As all_gather_object, which needs NumPy.
    """
    device = _get_object_coll_device()
    pickled = pickle.dumps(value)
    own = torch.frombuffer(bytearray(pickled), dtype=torch.uint8)
    size = torch.tensor([len(pickled)], dtype=torch.int64, device=device)
    sizes = [torch.empty_like(size) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, size)
    lengths = [int(each) for each in sizes]
    padded = torch.zeros(max(lengths), dtype=torch.uint8, device=device)
    padded[: len(own)] = own.to(device)
    parts = [torch.empty_like(padded) for _ in lengths]
    dist.all_gather(parts, padded)
    on_cpu = [part.cpu() for part in parts]
    return [
        pickle.loads(ctypes.string_at(part.data_ptr(), length))
        for part, length in zip(on_cpu, lengths)
    ]


def as_dtensor(
    local: Tensor, mesh: DeviceMesh, placements: Sequence[Any], shape: Sequence[int]
) -> DTensor:
    """The tensor of that shape whose part in this process is ``local``; differentiable."""
    # Only the shape counts; a tensor on meta has the strides that belong to it.
    stride = torch.empty(*shape, device="meta").stride()
    return DTensor.from_local(
        local, mesh, placements, run_check=False, shape=torch.Size(shape), stride=stride
    )


def local(tensor: Optional[Tensor]) -> Optional[Tensor]:
    """The part of a parameter in this process, differentiable; plain tensors as they are."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def sum_gradients(tensor: Tensor, processes: Processes) -> Tensor:
    """The tensor, whose gradient is the sum of those of all processes."""
    return cast(Tensor, _SumGradients.apply(tensor, processes))  # type: ignore[no-untyped-call]


def shared_sum(tensor: Tensor, processes: Processes) -> Tensor:
    """The sum of the tensors of all processes; its gradient is the sum of theirs."""
    return cast(Tensor, _SharedSum.apply(tensor, processes))  # type: ignore[no-untyped-call]


class _SumGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        return (*last_gradients(lambda: (reduced(grad, [ctx.processes]),), grad), None)


class _SharedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return reduced(tensor, [processes])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        return (*last_gradients(lambda: (reduced(grad, [ctx.processes]),), grad), None)


class SharedGroups(formula.Groups):
    """The groups of a weight of which processes have parts; all of them must ask for a number.

    Args:
        part: the part of the weight ``[out, in]``.
        count: the groups.
    """

    def __init__(self, part: Part, count: int) -> None:
        super().__init__(count)
        out_features, in_features = part.shape
        rows = torch.arange(part.values.shape[0], device=part.values.device) + part.offset[0]
        #: The group of each row of the part.
        self.of_rows = rows // (out_features // count)
        self._elements = out_features // count * in_features
        self._processes = part.processes

    def blocks(self, weight: Tensor) -> Tensor:
        return weight

    def each(self, numbers: Tensor) -> Tensor:
        return numbers[self.of_rows].unsqueeze(1)

    def sum(self, blocks: Tensor) -> Tensor:
        rows = blocks.sum(1)
        total = rows.new_zeros(self.count).index_add(0, self.of_rows, rows)
        return reduced(total, self._processes)

    def mean(self, blocks: Tensor) -> Tensor:
        return self.sum(blocks) / self._elements

    def median(self, blocks: Tensor) -> Tensor:
        # Floats that are not negative have the order of their bits: byte by byte, all processes
        # count how many numbers begin like the median with each next byte.
        bits = blocks.contiguous().view(torch.int32).long()
        starts = self.of_rows.unsqueeze(1) * 256
        median = bits.new_zeros(self.count)
        rank = torch.full_like(median, (self._elements - 1) // 2).unsqueeze(1)
        for shift in (24, 16, 8, 0):
            is_like = bits >> (shift + 8) == self.each(median)
            bins = (starts + (bits >> shift & 255))[is_like]
            counts = torch.bincount(bins, minlength=256 * self.count).view(self.count, 256)
            upto = reduced(counts, self._processes).cumsum(1)
            byte = (upto <= rank).sum(1, keepdim=True)
            below = torch.nn.functional.pad(upto, (1, 0)).gather(1, byte)
            rank = rank - below
            median = median * 256 + byte[:, 0]
        has_nan = self.sum(blocks.isnan().double()) > 0
        return median.int().view(torch.float32).masked_fill(has_nan, torch.nan)
