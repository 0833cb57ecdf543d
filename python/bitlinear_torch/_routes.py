"""By which of three ways a layer computes: the library directly, its operator, or the formula.

The library is called directly where tensors are plain memory of the CPU that nobody traces,
transforms or watches, because PyTorch's dispatcher costs more than a small layer. An operator that
calls the library takes its place in a graph (torch.compile, torch.export) and where somebody watches
(FakeTensor, profilers of FLOPs). The formula, in PyTorch's own operations, serves other devices, other
kinds of tensors, derivatives of torch.func and exporters.
"""

from __future__ import annotations

from enum import Enum
from typing import Optional

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch._subclasses.fake_tensor import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor

#: A layer's ``backend``: chosen for each call, or always PyTorch's own operations.
BACKENDS = ("auto", "torch")


# Private names of PyTorch, which say whether its dispatcher has more to do than to call the kernel.
_dispatch_modes = torch._C._len_torch_dispatch_stack
_function_modes = torch._C._len_torch_function_stack
_has_transforms = torch._C._are_functorch_transforms_active
_is_tracing = torch._C._is_tracing
_is_legacy_batched = torch._C._functorch.is_legacy_batchedtensor


class Route(Enum):
    """A way to compute."""

    DIRECT = 0
    OPERATOR = 1
    FORMULA = 2


_PLAIN = (Tensor, nn.Parameter)
# Kinds of tensors that stand for plain ones while PyTorch traces.
_STAND_INS = (*_PLAIN, FakeTensor, FunctionalTensor)


def is_direct(*tensors: Optional[Tensor]) -> bool:
    """Whether tensors are plain memory of the CPU that nobody traces, transforms or watches."""
    if is_watched():
        return False
    for tensor in tensors:
        if tensor is not None and (
            type(tensor) not in _PLAIN or not tensor.is_cpu or _is_legacy_batched(tensor)
        ):
            return False
    return True


def is_watched() -> bool:
    """Whether somebody traces, transforms or watches the operations of this thread."""
    return (
        torch.compiler.is_compiling()
        or _dispatch_modes() > 0
        or _function_modes() > 0
        or _has_transforms()
        or _is_tracing()
        or forward_ad._current_level >= 0
    )


def route(backend: str, *tensors: Optional[Tensor]) -> Route:
    """The way to compute with tensors."""
    if backend == "torch":
        return Route.FORMULA
    if is_direct(*tensors):
        return Route.DIRECT
    if torch.compiler.is_compiling():
        is_plain = all(
            tensor is None or tensor.device.type in ("cpu", "meta") for tensor in tensors
        )
        is_plain = is_plain and not torch.onnx.is_in_onnx_export() and not derivative_levels()
        return Route.OPERATOR if is_plain else Route.FORMULA
    if torch.onnx.is_in_onnx_export() or derivative_levels() or is_batched(*tensors):
        return Route.FORMULA
    for tensor in tensors:
        if tensor is not None and (
            tensor.device.type not in ("cpu", "meta") or not isinstance(tensor, _STAND_INS)
            or not (type(tensor) in _STAND_INS)
        ):
            return Route.FORMULA
    return Route.OPERATOR


def has_transforms() -> bool:
    """Whether a transform of torch.func is active."""
    return _has_transforms()


def derivative_levels() -> int:
    """How many derivatives torch.func and forward mode take of what is computed now."""
    has_tangents = forward_ad._current_level >= 0
    stack = torch._C._functorch.get_interpreter_stack() if has_transforms() else None
    kinds = torch._C._functorch.TransformType
    layers = [layer.key() for layer in stack or ()]
    # A Jvp layer is forward mode itself.
    own = has_tangents and kinds.Jvp not in layers
    return own + sum(key in (kinds.Grad, kinds.Jvp) for key in layers)


# torch.compile asks them while it traces, when they answer as without it, and guards on transforms.
# The attribute is what torch.compiler.assume_constant_result sets, which would import the compiler.
for _question in (has_transforms, derivative_levels):
    _question._dynamo_marked_constant = True  # type: ignore[attr-defined]


def is_batched(*tensors: Optional[Tensor]) -> bool:
    """Whether autograd maps over a batch of gradients (is_grads_batched)."""
    return any(tensor is not None and _is_legacy_batched(tensor) for tensor in tensors)
