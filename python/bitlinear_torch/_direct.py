"""Whether an operation may skip PyTorch's dispatcher, which costs more than a small layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Private names of PyTorch: if one is gone, the dispatcher is never skipped.
_probes = [
    getattr(torch._C, "_len_torch_dispatch_stack", None),
    getattr(torch._C, "_len_torch_function_stack", None),
    getattr(torch._C, "_are_functorch_transforms_active", None),
]
_is_known = all(_probes)
_dispatch_modes, _function_modes, _transforms = _probes


def is_direct(*tensors: Tensor) -> bool:
    """Whether tensors are plain memory of the CPU that nobody traces, transforms or watches."""
    return (
        not torch.compiler.is_compiling()
        and _is_known
        and all(type(tensor) in (Tensor, nn.Parameter) and tensor.is_cpu for tensor in tensors)
        and not _dispatch_modes()
        and not _function_modes()
        and not _transforms()
        and not torch.jit.is_tracing()
    )
