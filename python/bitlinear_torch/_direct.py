"""Whether an operation may skip PyTorch's dispatcher, which costs more than a small layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Private names of PyTorch, each with what it must say; one that is gone means: never skip.
_probes = [
    getattr(torch._C, "_len_torch_dispatch_stack", None),
    getattr(torch._C, "_len_torch_function_stack", None),
    getattr(getattr(torch._C, "_functorch", None), "maybe_current_level", None),
]
_is_known = all(_probes)
_dispatch_modes, _function_modes, _functorch_level = _probes


def is_direct(*tensors: Tensor) -> bool:
    """Whether tensors are plain memory of the CPU that nobody traces, transforms or watches."""
    return (
        not torch.compiler.is_compiling()
        and _is_known
        and all(type(tensor) in (Tensor, nn.Parameter) and tensor.is_cpu for tensor in tensors)
        and not _dispatch_modes()
        and not _function_modes()
        and _functorch_level() is None
        and not torch.jit.is_tracing()
    )
