"""Linear layers whose weight others read without calling them, and what is done about that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.modules.module import register_module_module_registration_hook
from torch.nn.utils import parametrize

from ._readers import how_read
from ._sources import kind_of


def reason_to_keep(
    name: str, module: nn.Module, parent: Optional[nn.Module], types: Sequence[type[nn.Module]]
) -> Optional[str]:
    """Why a layer like nn.Linear is not replaced; None for one that is, and for other modules."""
    if isinstance(module, NonDynamicallyQuantizableLinear) or isinstance(
        parent, nn.MultiheadAttention
    ):
        if isinstance(module, nn.Linear):
            return "nn.MultiheadAttention reads its weight without calling it"
    is_linear = isinstance(module, nn.Linear) or type(module) in types
    if parent is not None and is_linear:
        how = how_read(parent, name.rpartition(".")[2])
        if how is not None:
            return how
    if type(module) in types or kind_of(module).startswith("bitlinear_torch."):
        return None
    if parametrize.is_parametrized(module) and isinstance(module, nn.Linear):
        return (
            "its weight is parametrized; first bake it in with "
            "torch.nn.utils.parametrize.remove_parametrizations"
        )
    if isinstance(module, nn.Linear):
        return f"a {type(module).__name__}, a subclass of nn.Linear; name it in types to replace it"
    if is_conv1d(module):
        return "a Conv1D of transformers; name it in types to replace it"
    return None


def is_conv1d(module: nn.Module) -> bool:
    """Whether it is the linear layer of GPT-2, which is no nn.Linear."""
    return kind_of(module) == "transformers.pytorch_utils.Conv1D"


def kept_parameters(model: nn.Module) -> dict[str, str]:
    """Matrices of experts in one parameter of three dimensions, which no linear layer holds."""
    return dict(_experts(model))


def _experts(model: nn.Module) -> Iterator[tuple[str, str]]:
    for name, module in model.named_modules():
        if "Expert" not in type(module).__name__:
            continue
        for own, parameter in module.named_parameters(recurse=False):
            if parameter.dim() == 3:
                full = f"{name}.{own}" if name else own
                yield full, f"matrices of {type(module).__name__} in one parameter, not in layers"


def call_layers(parent: nn.Module, name: str, child: Optional[nn.Module]) -> None:
    """Sees that a layer of PyTorch's transformer calls its linear layers.

    Without gradients nn.TransformerEncoderLayer reads the weights of its linear layers and computes
    with them as floats, unless it has another activation than ReLU and GELU.
    """
    if isinstance(parent, nn.TransformerEncoderLayer) and kind_of(child).startswith(
        "bitlinear_torch."
    ):
        # Only what decides on that way reads this; the activation itself is another member.
        parent.activation_relu_or_gelu = 0


# For layers that a user puts there by hand, too.
register_module_module_registration_hook(call_layers)
