"""The layers of floats that a BitLinear can be made of."""

from __future__ import annotations

from typing import NamedTuple, Optional, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

# Modules of transformers, told by their names so that it need not be there.
CONV1D = "transformers.pytorch_utils.Conv1D"
_AUTO_BIT_LINEAR = "transformers.integrations.bitnet.AutoBitLinear"


# They compute a weight from others, and nothing else in eval mode.
_KNOWN_HOOKS = (BasePruningMethod, SpectralNorm, WeightNorm)


class Source(NamedTuple):
    """The parameters of a layer of floats.

    Attributes:
        knows_norm: whether the layer itself says if it has a norm: it has one if, and only if,
            there is a ``norm_weight``.
    """

    weight: nn.Parameter
    bias: Optional[nn.Parameter]
    knows_norm: bool = False
    norm_weight: Optional[nn.Parameter] = None
    norm_eps: float = 1e-5


def kind_of(module: object) -> str:
    """The full name of an object's class."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def source_of(module: nn.Module) -> Source:
    """The parameters of a layer of floats.

    Raises:
        TypeError: it is another kind of module.
        ValueError: its weight is computed from other tensors.
    """
    check_owns_weight(module)
    if kind_of(module) == CONV1D:
        weight, bias = module.weight, module.bias
        assert isinstance(weight, Tensor) and isinstance(bias, nn.Parameter)
        transposed = nn.Parameter(weight.detach().t().contiguous(), weight.requires_grad)
        return Source(transposed, bias)
    if not isinstance(module, nn.Linear):
        raise TypeError(
            f"found a {type(module).__name__}, expected an nn.Linear or transformers' Conv1D"
        )
    weight = cast(nn.Parameter, module.weight)
    if kind_of(module) == _AUTO_BIT_LINEAR:
        if not module.online_quant:
            raise ValueError(
                "found an AutoBitLinear of quantization_mode 'offline', whose weights are codes, "
                "expected 'online'; huggingface.load_huggingface makes packed layers of it"
            )
        norm = module.rms_norm
        if norm is None:
            return Source(weight, module.bias, True)
        assert isinstance(norm, nn.Module) and isinstance(norm.weight, nn.Parameter)
        eps = float(norm.variance_epsilon)  # type: ignore[arg-type]
        return Source(weight, module.bias, True, norm.weight, eps)
    return Source(weight, module.bias)


def check_owns_weight(module: nn.Module) -> None:
    """Raises ValueError if the weight of a layer is computed from other tensors.

    Training would then not reach it.
    """
    if parametrize.is_parametrized(module):
        names = ", ".join(module.parametrizations.keys())  # type: ignore[operator, union-attr]
        raise ValueError(
            f"{names} of the layer is parametrized: first bake it in with "
            "torch.nn.utils.parametrize.remove_parametrizations"
        )
    if isinstance(getattr(module, "weight", None), Tensor) and not _owns_weight(module):
        raise ValueError(
            f"the weight of the layer is not a parameter: {_hooks(module)} computes it before each "
            "call. First remove that (torch.nn.utils.prune.remove, remove_weight_norm, "
            "remove_spectral_norm)"
        )


def current_weight(module: nn.Module) -> Tensor:
    """The weight that the layer would compute with if it were called now in eval mode.

    Raises:
        ValueError: a hook that is not known computes it before each call.
    """
    if parametrize.is_parametrized(module) or _owns_weight(module):
        weight = module.weight
        assert isinstance(weight, Tensor)
        return weight
    hooks = [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, _KNOWN_HOOKS)]
    if not hooks:
        raise ValueError(
            f"the weight of the layer is not a parameter: {_hooks(module)} computes it before each "
            "call, so it may be stale. First remove that"
        )
    was_training = module.training
    module.training = False
    try:
        with torch.no_grad():
            for hook in hooks:
                hook(module, ())
    finally:
        module.training = was_training
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def require_memory(tensor: Optional[Tensor], name: str) -> None:
    """Raises ValueError unless a tensor has its values in memory of this process."""
    if tensor is None:
        return
    if tensor.is_meta:
        raise ValueError(f"found {name} on meta, expected values: first load the model")
    if type(tensor) not in (Tensor, nn.Parameter):
        raise ValueError(
            f"found {name} of {type(tensor).__name__}, expected a plain tensor; a model of DTensors, "
            "as FSDP makes them, is packed into a file by "
            "bitlinear_torch.parallel.save_packed_sharded, and full_tensor() gives the whole of one"
        )


def _owns_weight(module: nn.Module) -> bool:
    return "weight" in module._parameters


def _hooks(module: nn.Module) -> str:
    names = [
        getattr(hook, "__name__", None) or type(hook).__name__
        for hook in module._forward_pre_hooks.values()
    ]
    return f"the hook {', '.join(names)}" if names else "something"
