"""In which types layers multiply and answer."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor


def _knows_autocast(device: str) -> bool:
    """Whether autocast is there for a device; for tensors without memory it is not."""
    return device != "meta" and torch.amp.is_autocast_available(device)


# Not every torch.compile can look into it. The attribute is what
# torch.compiler.assume_constant_result sets, which would import the compiler.
_knows_autocast._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _autocast(device: str) -> Optional[torch.dtype]:
    if not _knows_autocast(device):
        return None
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def output_type(input: Tensor) -> torch.dtype:
    """The type of a layer's output: that of autocast, else that of the input."""
    autocast = _autocast(input.device.type)
    return input.dtype if autocast is None or input.dtype is torch.float64 else autocast


#: The types in which backward multiplies; operators name them by their place, because not every
#: exporter takes a type.
PRODUCT_TYPES = (torch.float32, torch.bfloat16, torch.float16)


def product_type(weight: Tensor) -> torch.dtype:
    """The type in which backward multiplies: that of autocast, else that of the weight.

    float16 is slower than float32 on CPUs, and float64 is not what the forward pass computes in.
    """
    device = weight.device.type
    found = _autocast(device) or weight.dtype
    if found is torch.bfloat16 or (found is torch.float16 and device != "cpu"):
        return found
    return torch.float32
