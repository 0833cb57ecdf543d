"""The learned parameters of a layer's norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import torch
from torch import Tensor, nn


class LearnedNorm(nn.Module):
    """The learned factor and offset of a norm; the layer that it belongs to computes with them.

    Attributes:
        weight: the factor, ``[features]``.
        bias: the offset, ``[features]``, or None.
    """

    if TYPE_CHECKING:
        # Not while a program runs: torch.jit.script would read them, and does not know text.
        weight: nn.Parameter
        bias: Optional[nn.Parameter]

    def __init__(self, features: int, bias: bool, **options: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features, **options))
        self.bias = nn.Parameter(torch.zeros(features, **options)) if bias else None

    def reset_parameters(self) -> None:
        """Makes the factor one and the offset zero."""
        nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def floats(self) -> tuple[Tensor, Optional[Tensor]]:
        """Factor and offset of float32."""
        return self.weight.float(), None if self.bias is None else self.bias.float()

    def extra_repr(self) -> str:
        """What the module prints of itself."""
        return f"{self.weight.shape[0]}, bias={self.bias is not None}"


def learned_norm_of(
    norm: LearnedNorm, factor: Optional[Tensor], weight: Tensor
) -> LearnedNorm:
    """The norm with memory like that of ``weight``, and with a factor if there is one."""
    norm = norm.to_empty(device=weight.device).to(weight.dtype)
    norm.reset_parameters()
    if isinstance(factor, nn.Parameter):
        norm.weight = factor
    return norm
