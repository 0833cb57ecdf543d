"""Tensors as the pointers and strides of the C interface."""

from __future__ import annotations

import ctypes
from typing import Optional

import torch
from torch import Tensor

#: The numbers of types of floats in the C interface.
FLOAT_TYPES = {torch.float32: 0, torch.bfloat16: 1}


def rows(tensor: Tensor) -> tuple[Tensor, int]:
    """A float32 CPU tensor as equally spaced rows of its last axis.

    Returns:
        The tensor, or a contiguous copy where its elements do not lie in such rows, which must
        live as long as its pointer is used; and the distance of two rows in elements.

    Raises:
        ValueError: the tensor is not float32 on the CPU.
    """
    require_float32(tensor)
    tensor = plain(tensor)
    length = tensor.shape[-1]
    if tensor.is_contiguous():
        return tensor, length
    matrix = tensor
    if tensor.dim() != 2:
        try:
            matrix = tensor.view(-1, length)
        except RuntimeError:
            return tensor.contiguous(), length
    if (matrix.stride(1) == 1 or length == 1) and matrix.stride(0) >= length:
        return tensor, matrix.stride(0)
    return tensor.contiguous(), length


def plain(tensor: Tensor) -> Tensor:
    """The tensor with memory that holds its values: not negated when read, not zeros of no memory."""
    if tensor._is_zerotensor():
        return torch.zeros_like(tensor, memory_format=torch.contiguous_format)
    return tensor.resolve_neg()


def vector(tensor: Optional[Tensor]) -> Optional[Tensor]:
    """A float32 CPU tensor, contiguous, or None.

    Raises:
        ValueError: the tensor is not float32 on the CPU.
    """
    if tensor is None:
        return None
    require_float32(tensor)
    return plain(tensor).contiguous()


def address(tensor: Optional[Tensor]) -> Optional[int]:
    """Where the values of a tensor begin; None for None."""
    return None if tensor is None else tensor.data_ptr()


def require_float32(tensor: Tensor) -> None:
    """Raises ValueError unless the library can read the tensor's memory."""
    if tensor.dtype is not torch.float32 or not tensor.is_cpu:
        raise ValueError(
            f"found a tensor of {tensor.dtype} on {tensor.device}, expected torch.float32 on cpu"
        )


def version(tensor: Tensor) -> int:
    """A number that changes with the tensor's values; 0 where PyTorch does not count."""
    return 0 if tensor.is_inference() else tensor._version


def bytes_at(address: Optional[int], count: int) -> Tensor:
    """A copy of ``count`` bytes of somebody else's memory as a uint8 tensor ``[count]``."""
    if not count or not address:
        return torch.empty(0, dtype=torch.uint8, device="cpu")
    memory = (ctypes.c_uint8 * count).from_address(address)
    # frombuffer and clone do not follow a default device.
    return torch.frombuffer(memory, dtype=torch.uint8).clone()
