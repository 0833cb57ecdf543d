"""The FLOPs of the operators for torch.utils.flop_counter: those of products, as of nn.Linear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

from . import _operators, _packed  # which define the operators

Shape = Sequence[int]


def _of_product(x: Shape, out_features: int) -> int:
    return 2 * prod(x) * out_features


def _forward(x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    return _of_product(x, weight[0])


def _backward(grad: Shape, x: Shape, weight: Shape, *options: Any, **_: Any) -> int:
    needs_x, needs_weight, _needs_bias, needs_factor, needs_offset = options[-1]
    products = int(needs_x or needs_factor or needs_offset) + int(needs_weight)
    return products * _of_product(x, weight[0])


def _packed_forward(
    x: Shape, codes: Shape, scale: Shape, bias: Any, norm_weight: Any, norm_bias: Any,
    in_features: int, out_features: int, *_: Any, **__: Any,
) -> int:
    return _of_product(x, out_features)


def _packed_backward(grad: Shape, x: Shape, *_: Any, **__: Any) -> int:
    return _of_product(x, grad[-1])


_FORMULAS: dict[str, Callable[..., int]] = {
    "forward": _forward, "backward": _backward, "packed_forward": _packed_forward,
    "packed_backward": _packed_backward,
}

for _name, _formula in _FORMULAS.items():
    register_flop_formula(getattr(torch.ops.bitlinear, _name))(_formula)
