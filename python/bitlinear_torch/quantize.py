"""Absmax quantization of a tensor."""

from __future__ import annotations

from typing import Any, Literal, Optional

import torch
from torch import Tensor

from . import _formula as formula
from ._checks import require_floating
from ._library import check, library
from ._memory import rows
from ._routes import Route, route
from ._straight_through import straight_through
from ._threads import follow_torch
from .recipe import Recipe


def absmax_quantize(
    x: Tensor,
    bits: int = 8,
    *,
    per_token: bool = False,
    block: Optional[Literal[32, 64, 128, 256]] = None,
) -> tuple[Tensor, Tensor]:
    """Quantizes a tensor to integers, with one scale for all of it unless told otherwise.

    With Q = 2^(bits - 1) - 1 and s = Q / max|x|: quant = clamp(round(x * s), -Q, Q), half to even,
    and dequant = quant / s. Zeros give zeros. A row of the last dimension with a NaN or an infinity
    is left out of the maximum, and has quant 0 and dequant NaN.

    The gradient of ``dequant`` is passed to ``x`` as it is (straight-through).

    Args:
        x: a floating point tensor of any shape, also empty, on any device. float64 is computed in
            float64, everything else in float32.
        bits: 2 to 16.
        per_token: whether each row of the last dimension has a scale of its own.
        block: 32, 64, 128 or 256: so many columns of a row have a scale of their own.

    Returns:
        ``quant``, int8 up to 8 bits and int16 above, and ``dequant`` of the type of ``x``; both of
        the shape of ``x``.

    Raises:
        TypeError: ``x`` is not a floating point tensor.
        ValueError: ``bits`` is outside 2 to 16, or ``block`` is another number.
    """
    require_floating(x)
    if x.is_nested:
        raise TypeError("found a nested tensor, expected a plain one: values() has its rows")
    try:
        recipe = Recipe(
            activation_bits=bits, per_token=per_token or block is not None,
            activation_block=block,
        )
    except ValueError as error:
        raise ValueError(str(error).replace("activation_", "")) from None
    if x.numel() == 0:
        # Nothing has a scale.
        return x.new_empty(x.shape, dtype=_code_type(bits)), x * 1
    exact = x if x.dtype is torch.float64 else x.float()
    way = Route.FORMULA if exact.dtype is torch.float64 else route("auto", exact)
    if way is Route.DIRECT and not (exact.requires_grad and torch.is_grad_enabled()):
        quant, dequant = _quantize(exact, recipe)
    elif way is Route.FORMULA:
        quant, dequant = _by_formula(exact, recipe)
    else:
        quant, dequant = _absmax_quantize(exact, recipe.activation_bits, *_scales(recipe))
    return quant, dequant.to(x.dtype)


def _code_type(bits: int) -> torch.dtype:
    return torch.int8 if bits <= 8 else torch.int16


def _scales(recipe: Recipe) -> tuple[bool, int]:
    return recipe.per_token, recipe.activation_block or 0


def _outputs(x: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape, dtype=_code_type(bits)), x.new_empty(x.shape)


def _by_formula(x: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    row = x.detach().reshape(1) if x.dim() == 0 else x.detach()
    codes = formula.input_codes(row, recipe)
    quant = codes.codes.to(_code_type(recipe.activation_bits)).reshape(x.shape)
    return quant, straight_through(
        formula.input_values(codes, recipe).reshape(x.shape), x
    )


def _quantize(x: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    quant, dequant = _outputs(x, recipe.activation_bits)
    if x.numel() == 0:
        return quant, dequant
    x = x.reshape(1) if x.dim() == 0 else x
    x, stride = rows(x)
    features = x.shape[-1]
    per_token, block = _scales(recipe)
    follow_torch()
    check(
        library.bitlinear_absmax_quantize(
            x.data_ptr(), x.numel() // features, features, stride, recipe.activation_bits,
            per_token, block, quant.data_ptr(), None, dequant.data_ptr(),
        )
    )
    return quant, dequant


@torch.library.custom_op("bitlinear::absmax_quantize", mutates_args=())
def _absmax_quantize(
    x: Tensor, bits: int, per_token: bool = False, block: int = 0
) -> tuple[Tensor, Tensor]:
    blocks: Any = block or None
    recipe = Recipe(activation_bits=bits, per_token=per_token, activation_block=blocks)
    if x.is_cpu:
        return _quantize(x, recipe)
    with torch.no_grad():
        return _by_formula(x, recipe)


@_absmax_quantize.register_fake
def _fake(x: Tensor, bits: int, per_token: bool = False, block: int = 0) -> tuple[Tensor, Tensor]:
    return _outputs(x, bits)


@_absmax_quantize.register_vmap
def _vmap(
    info: Any, in_dims: tuple[Optional[int], ...], x: Tensor, *options: Any
) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
    parts = [_absmax_quantize(part, *options) for part in x.unbind(in_dims[0] or 0)]
    quant, dequant = zip(*parts)
    return (torch.stack(quant), torch.stack(dequant)), (0, 0)


def _backward(
    ctx: Any, _grad_quant: Any, grad_dequant: Tensor
) -> tuple[Tensor, None, None, None]:
    return grad_dequant, None, None, None


_absmax_quantize.register_autograd(_backward)
